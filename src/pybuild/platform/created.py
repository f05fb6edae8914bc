"""When an image says that it was made: a constant, unless the user, the environment or the source's commit says else."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING

from pybuild.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SOURCE_DATE_EPOCH = "SOURCE_DATE_EPOCH"
_EPOCH = re.compile(r"[0-9]{1,12}")
_COMMITTER = re.compile(rb"^committer .* ([0-9]{1,12}) [+-][0-9]{4}$", re.MULTILINE)
_GIT_SECONDS = 20


def read_creation_time(word: str | None, *, path: Path, caller: Mapping[str, str]) -> int | None:
    """Seconds since 1970, None for the constant. `word`: a number, `now`, or `commit` for the time of the commit
    that is checked out in `path`. Without a word the variable SOURCE_DATE_EPOCH counts, as reproducible-builds.org
    has it. Raises `InvalidInput`.
    """
    if word is None:
        return _of_variable(caller.get(SOURCE_DATE_EPOCH, ""))
    if word == "now":
        return int(time.time())
    if word == "commit":
        return _of_commit(path)
    if not _EPOCH.fullmatch(word):
        raise InvalidInput(
            f"{word!r} is no creation time: expected seconds since 1970, now or commit",
            hint="--creation-time commit",
        )
    return int(word)


def _of_variable(text: str) -> int | None:
    if not text:
        return None
    if not _EPOCH.fullmatch(text):
        raise InvalidInput(
            f"the variable {SOURCE_DATE_EPOCH} is {text!r:.40}: expected seconds since 1970",
            hint=f"unset {SOURCE_DATE_EPOCH}, or --creation-time now",
        )
    return int(text)


def _of_commit(path: Path) -> int:
    """Read as an object, which runs nothing that the repository's own configuration may name."""
    hint = "--creation-time now, or build from a git checkout"
    where = path if path.is_dir() else path.absolute().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(where), "cat-file", "commit", "HEAD"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as exc:
        raise InvalidInput("--creation-time commit needs git, which is not installed", hint=hint) from exc
    except subprocess.TimeoutExpired as exc:
        raise InvalidInput(f"git did not tell the commit of {where} in {_GIT_SECONDS} s", hint=hint) from exc
    found = _COMMITTER.search(done.stdout.partition(b"\n\n")[0])
    if done.returncode != 0 or found is None:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = f": {said[0][:200]}" if said else ""
        raise InvalidInput(f"{where} has no commit whose time the image could have{why}", hint=hint)
    return int(found[1])
