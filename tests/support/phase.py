"""Recorded runs of the lifecycle's phases, replayed: the case's tree on disk, a child process as its user.

A case is one JSON file of `golden/{detect,build,env,launch}`; their README tells its shape. A program is called
as `program(arguments, environ, stream) -> exit code` in a forked child that has become the case's user for good, so
that whatever it reads and runs happens with that user's rights and no others.
"""

from __future__ import annotations

import gc
import io
import os
import pickle
import shutil
import signal
import tempfile
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import requests  # noqa: F401 - beforehand, like those below

import pybuild.stores.registry
import pybuild.stores.senders  # noqa: F401
from pybuild.cli.phases import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = "@ROOT@"
USER = 1000
INTERNAL_ERROR = 70


@dataclass(frozen=True)
class Outcome:
    """What a replayed program did: its exit code, what it told and what buildpacks wrote, the root as `@ROOT@`."""

    exit_code: int
    output: str


@contextmanager
def tree(case: Mapping[str, Any]) -> Iterator[Path]:
    """The case's tree below a new folder that its user owns; deleted afterwards."""
    # Not below pytest's folders: those are closed to other users.
    root = Path(tempfile.mkdtemp(prefix="pybuild-golden-")).resolve()
    try:
        with _umask(0o022):
            root.chmod(0o755)
            _build(case, root)
        if os.geteuid() == 0 and case["uid"] != 0:
            for path in (root, *root.rglob("*")):
                os.chown(path, USER, USER, follow_symlinks=False)
        yield root
    finally:
        for path in root.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(root)


def can_run(case: Mapping[str, Any]) -> str:
    """Why this process cannot replay the case; "" if it can."""
    if case["uid"] == 0 and os.geteuid() != 0:
        return "the case is about root, and this is not"
    if case.get("host_dependent") and not _is_bookworm():
        return "the recording holds the recording machine's /etc/os-release"
    return ""


def replay(
    case: Mapping[str, Any],
    root: Path,
    program: Callable[[Sequence[str], Mapping[str, str], IO[bytes]], int] = programs.run,
) -> Outcome:
    """Run `program` with the case's arguments and environment, as the case's user, in the case's folder."""
    arguments = [filled(argument, root) for argument in case["argv"]]
    environ = {name: filled(value, root) for name, value in case["env"].items()}
    folder = filled(case.get("cwd", ROOT), root)

    def body() -> tuple[int, str]:
        _become(case["uid"])
        os.umask(0o022)
        os.chdir(folder)
        told = io.BytesIO()
        code = program(arguments, environ, told)
        return code, told.getvalue().decode(errors="surrogateescape")

    code, output = in_child(body)
    return Outcome(code, emptied(output, root))


def filled(text: str, root: Path) -> str:
    """`text` with the root's path in the place of its token."""
    return text.replace(ROOT, str(root))


def emptied(text: str, root: Path) -> str:
    """`text` with the token in the place of the root's path."""
    return text.replace(str(root), ROOT)


def files_below(folder: Path, root: Path) -> list[dict[str, str]]:
    """Everything below `folder` in the shape of the recordings' `out` and `generated`."""
    found = []
    for path in sorted(folder.rglob("*")):
        item = {"path": str(path.relative_to(folder)), "mode": f"{path.lstat().st_mode & 0o7777:04o}"}
        if path.is_symlink():
            item |= {"type": "symlink", "target": emptied(str(path.readlink()), root)}
        elif path.is_dir():
            item["type"] = "dir"
        else:
            content = path.read_bytes().decode(errors="surrogateescape")
            item |= {"type": "file", "content": emptied(content, root)}
        found.append(item)
    return found


def in_child(body: Callable[[], Any]) -> Any:
    """What `body` returns, called in a forked child; `AssertionError` with its traceback if it fails."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn of threads, of which the child needs none.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _report(body, reading, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert answer, f"the child ended with {os.waitstatus_to_exitcode(status)} and no answer"
    failure, value = pickle.loads(answer)
    assert not failure, failure
    return value


def _report(body: Callable[[], Any], reading: int, writing: int) -> None:
    os.close(reading)
    # What belongs to the parent is not ours to collect, nor to warn of.
    gc.freeze()
    signal.alarm(240)
    try:
        answer = pickle.dumps(("", body()))
    except BaseException:  # noqa: BLE001 — the parent raises it again
        answer = pickle.dumps((traceback.format_exc(), None))
    with open(writing, "wb") as pipe:
        pipe.write(answer)
    os._exit(0)


def _become(uid: int) -> None:
    if os.geteuid() == 0 and uid != 0:
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)


def _build(case: Mapping[str, Any], root: Path) -> None:
    folders = []
    for item in case["tree"]:
        path = root / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        match item["type"]:
            case "dir":
                path.mkdir(exist_ok=True)
                folders.append((path, int(item["mode"], 8)))
            case "symlink":
                path.symlink_to(filled(item["target"], root))
            case _:
                path.write_bytes(filled(item["content"], root).encode(errors="surrogateescape"))
                path.chmod(int(item["mode"], 8))
    # Last, so that a folder without write permission can be filled.
    for path, mode in folders:
        path.chmod(mode)


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _is_bookworm() -> bool:
    release = Path("/etc/os-release")
    return release.exists() and "VERSION_CODENAME=bookworm" in release.read_text("utf-8")
