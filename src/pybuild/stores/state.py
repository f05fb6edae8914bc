"""Small files of our own on this machine: read with a limit, replaced in one step.

A reader sees the old file or the new one, never half of it, also after a crash: the new text is written to a
temporary file beside it, flushed to the disk, and renamed over it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_state(path: Path, *, limit: int = 64 << 20) -> bytes | None:
    """Content of `path`; None when it is missing, no path, no regular file, unreadable or above `limit` bytes."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # the latter for a NUL
        return None
    status = os.fstat(handle)
    # First of all, because Python makes no file object of a folder.
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read(limit)


def write_state(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step. Raises `OSError` with the old file untouched."""
    from pybuild.stores.scratch import scratch_file  # 2 ms; who only reads needs none of it

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = scratch_file(path.parent, f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)  # noqa: PTH105 - the same call, without building a Path for a temporary
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise


def remove_state(path: Path) -> None:
    """Remove `path`, if it is there."""
    path.unlink(missing_ok=True)
