"""Shell lines for the build environment, sent in as few scripts as they fit into.

What buildpacks leave behind decides how many lines there are; Linux limits how long one script may be.
"""

from __future__ import annotations

import re
from shlex import quote
from typing import TYPE_CHECKING

from pybuild.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.buildenv.api import BuildEnv

# One argument of a program may have 128 KiB, in bytes.
SCRIPT_LIMIT = 96 << 10
_CHUNK = 16 << 10

# The path: whatever the environment's own, the tools of our scripts are in one of these.
_FIRST = "set -eu; umask 022; PATH=${PATH:-}:/usr/bin:/bin; "


def run_lines(env: BuildEnv, lines: Sequence[str], *, first: str = "") -> bytes:
    """Run `lines` in order and return all that they printed; the first one that fails is a `BuildError`.

    `first`: definitions of functions that the lines call. No line depends on the working directory or the
    variables of another, since each may be in a script of its own.
    """
    limit = SCRIPT_LIMIT - len(_FIRST) - len(first)
    return b"".join(env.script(f"{_FIRST}{first}\n{batch}") for batch in _batches(lines, limit))


def write_file(path: str, text: str) -> list[str]:
    """The lines that put `text`, which has no NUL, into a new file at `path`; what was there is removed."""
    if "\0" in text:
        raise BuildError(f"{path}: cannot be written with a NUL byte in it")
    chunks = re.findall(f".{{1,{_CHUNK}}}", text, re.DOTALL)
    at = quote(path)
    # Asking first spares a process where there is nothing, which is nearly always.
    return [f"if [ -e {at} ] || [ -L {at} ]; then rm -rf -- {at}; fi; : > {at}"] + [
        f"printf %s {quote(chunk)} >> {at}" for chunk in chunks
    ]


def _batches(lines: Sequence[str], limit: int) -> Iterator[str]:
    batch: list[str] = []
    size = 0
    for line in lines:
        length = len(line.encode("utf-8", "surrogateescape")) + 1
        if batch and size + length > limit:
            yield "\n".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield "\n".join(batch)
