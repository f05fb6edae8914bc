"""What is on its way into a folder: files in a hidden one beside their goal, which get their names all at once.

While it is written to, the hidden folder is locked; one that a killed process left behind is removed by the next.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from pybuild.errors import DiskFull, ExportError, PybuildError, TimedOut
from pybuild.oci.digest import Hashing
from pybuild.stores.scratch import remove_left, try_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX = ".coming-"
"""With which the names of hidden folders begin."""
_PATIENCE = 60.0
_LOOK_SECONDS = 0.05


class Coming:
    """Blobs on their way into `folder`, which must exist. Leaving the block drops what has not been moved.

    `blobs`: the files of those that were added, by digest.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.blobs: dict[str, Path] = {}

    def __enter__(self) -> Self:
        with locked(self._folder), writing(self._folder):
            remove_left(self._folder, PREFIX)
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._folder))
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try_lock(self._lock)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def add(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """Write a blob; its digest and size. Raises `DiskFull` or `ExportError`."""
        content = Hashing(chunks)
        with self._file() as (file, path):
            for piece in content:
                with writing(self._folder):
                    file.write(piece)
            with writing(self._folder):
                file.flush()
                os.fsync(file.fileno())
        self.blobs[content.digest] = path
        return content.digest, content.size

    def move(self, name: str, content: bytes | Path, to: Path) -> None:
        """Put a file of this content, or one that was added, in the place of `to / name`, in one step."""
        with writing(to):
            if isinstance(content, bytes):
                digest, _ = self.add([content])
                content = self.blobs[digest]
            content.replace(to / name)

    @contextlib.contextmanager
    def _file(self) -> Iterator[tuple[IO[bytes], Path]]:
        with writing(self._folder):
            handle, name = tempfile.mkstemp(dir=self.path)
        with open(handle, "wb") as file:
            # Others may look at what is here: an image is for whoever may enter the folder.
            os.fchmod(handle, 0o644)
            yield file, Path(name)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else who asks may write in `folder` meanwhile. Raises `TimedOut` after a minute."""
    with writing(folder):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + _PATIENCE
        while not try_lock(handle):
            if time.monotonic() > end:
                raise TimedOut(
                    f"another process has been writing into {folder} for a minute", hint=f"fuser -v {folder}"
                )
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def writing(where: Path) -> Iterator[None]:
    """What an `OSError` of writing to `where` means: `DiskFull` or `ExportError`."""
    try:
        yield
    except OSError as exc:
        raise _unwritable(exc, where) from exc


def _unwritable(exc: OSError, where: Path) -> PybuildError:
    if exc.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return DiskFull(f"no space left in {where} for the image: {exc.strerror}", hint=f"df -h {where}")
    return ExportError(f"{where} cannot be written: {exc.strerror}", hint=f"ls -ld {where}")
