"""Temporary files and folders of ours: locked while they are in use, so that what kill -9 leaves is known, and removed.

Not by the number of their process: two of us may share a folder and see different processes.
"""

# Names in a folder are compared, not paths made of all of them: there may be thousands.
# ruff: noqa: PTH208

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "pybuild-scratch-"


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder of this user's alone, which goes with the block; those of processes that are dead go at once."""
    where = Path(tempfile.gettempdir()).resolve()
    remove_left(where, _PREFIX)
    folder, lock = _new_folder(where)
    try:
        with folder as name:
            yield Path(name)
    finally:
        os.close(lock)


def scratch_file(where: Path, prefix: str) -> tuple[int, Path]:
    """A new file in `where`, open for writing; those that dead processes left under this prefix go.

    It has to be renamed or removed before it is closed: from then on anybody may remove it. Raises `OSError`.
    """
    remove_left(where, prefix)
    while True:
        handle, name = tempfile.mkstemp(prefix=prefix, dir=where)
        if try_lock(handle) and os.fstat(handle).st_nlink:
            return handle, Path(name)
        # Taken for left in the moment before it was locked.
        os.close(handle)


def remove_left(where: Path, prefix: str) -> None:
    """Remove the files and folders under this prefix that nobody has locked. Never an error."""
    with contextlib.suppress(OSError):
        for name in os.listdir(where):
            if name.startswith(prefix):
                _remove_if_left(where / name)


def try_lock(handle: int) -> bool:
    """Whether nobody else has the lock; a file system that knows no locks has nobody who has one."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as exc:
        if exc.errno not in {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise
    return True


def _new_folder(where: Path) -> tuple[tempfile.TemporaryDirectory[str], int]:
    while True:
        folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=where, ignore_cleanup_errors=True)
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder.name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if try_lock(lock) and Path(folder.name).exists():
                return folder, lock
            os.close(lock)
        folder.cleanup()


def _remove_if_left(path: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if try_lock(handle):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
        finally:
            os.close(handle)
