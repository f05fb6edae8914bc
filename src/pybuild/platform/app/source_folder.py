"""An app in a folder: walked through descriptors of its folders, so that no symlink leads out of it on the way."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pybuild.errors import SourceUnusable
from pybuild.events import warn
from pybuild.platform.app.source_entry import Found, Opened, shown_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pybuild.platform.app.ignore_files import Ignored, IgnoreFile
    from pybuild.platform.app.selection import Selection

MOST_NESTED = 200
"""Folders within folders; each level holds one descriptor and two frames of Python's stack while the app is read."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ODD = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


def reader(root: Path, selection: Selection, ignore_files: Sequence[IgnoreFile] = ()) -> FolderReader:
    """The reader of `root`; a symlink that leads to the folder is followed, those in it are not."""
    if not ignore_files:
        return FolderReader(root, selection)
    from pybuild.platform.app.ignore_files import Ignored, gitignores_above, read_inside

    above = gitignores_above(root) if ".gitignore" in ignore_files else ()
    return FolderReader(root, selection, Ignored(ignore_files, lambda path: read_inside(root, path), above))


class _Place(NamedTuple):
    folder: int
    name: bytes


class FolderReader:
    """Reads one folder. Not for two threads: the folder being read is part of its state."""

    def __init__(self, root: Path, selection: Selection, ignored: Ignored | None = None) -> None:
        self._root = root
        self._selection = selection
        self._ignored = ignored
        self._odd: set[bytes] = set()

    def walk(self) -> Iterator[Found]:
        """See `Reader`. Sockets, devices and FIFOs are left out with a warning, once."""
        try:
            top = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            raise self._unreadable(b"", exc) from exc
        try:
            yield from self._folder(top, b"", matched=False, depth=0)
        finally:
            os.close(top)

    def open(self, found: Found) -> Opened | None:
        """See `Reader`. Raises `SourceUnusable` for a file that may not be read."""
        if not isinstance(found.place, _Place):
            return None
        try:
            handle = os.open(found.place.name, _FILE, dir_fd=found.place.folder)
        except OSError as exc:
            # ELOOP: it became a symlink since it was seen.
            if exc.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
                return None
            raise self._unreadable(found.path, exc) from exc
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(handle)
            return None
        return Opened(
            mode=_mode(status, 0o400),
            mtime=int(status.st_mtime),
            size=status.st_size,
            read=lambda most: self._read(handle, most, found.path),
            close=lambda: os.close(handle),
        )

    def _folder(self, handle: int, path: bytes, *, matched: bool, depth: int) -> Iterator[Found]:
        if depth > MOST_NESTED:
            raise SourceUnusable(f"{self._shown(path)}: more than {MOST_NESTED} folders within folders")
        try:
            with os.scandir(handle) as entries:
                names = sorted(os.fsencode(entry.name) for entry in entries)
        except OSError as exc:
            raise self._unreadable(path, exc) from exc
        for name in names:
            below = path + b"/" + name if path else name
            try:
                status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise self._unreadable(below, exc) from exc
            if stat.S_ISDIR(status.st_mode):
                yield from self._subfolder(handle, name, below, status, matched=matched, depth=depth)
            else:
                yield from self._leaf(handle, name, below, status, matched=matched)

    def _subfolder(
        self, handle: int, name: bytes, path: bytes, status: os.stat_result, *, matched: bool, depth: int
    ) -> Iterator[Found]:
        matched = self._selection.matches(path, folder=True, parent_matches=matched)
        left_out = self._ignored is not None and self._ignored.leaves_out(path, folder=True)
        if not self._selection.enters(matched) or (left_out and self._hides(path)):
            return
        found = Found(path, "d", _mode(status, 0o700), int(status.st_mtime))
        sent = self._selection.keeps(matched) and not left_out
        if sent:
            yield found
        try:
            below = os.open(name, _FOLDER, dir_fd=handle)
        except OSError as exc:
            if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return
            raise self._unreadable(path, exc) from exc
        try:
            for entry in self._folder(below, path, matched=matched, depth=depth + 1):
                if not sent:
                    # Not asked for itself, but something in it was.
                    sent = True
                    yield found
                yield entry
        finally:
            os.close(below)

    def _leaf(
        self, handle: int, name: bytes, path: bytes, status: os.stat_result, *, matched: bool
    ) -> Iterator[Found]:
        if not self._selection.keeps(self._selection.matches(path, folder=False, parent_matches=matched)):
            return
        if self._ignored is not None and self._ignored.leaves_out(path, folder=False):
            return
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFREG:
            place = _Place(handle, name)
            yield Found(path, "f", _mode(status, 0o400), int(status.st_mtime), status.st_size, b"", place)
        elif kind == stat.S_IFLNK:
            with suppress(FileNotFoundError):
                target = os.readlink(name, dir_fd=handle)
                yield Found(path, "l", 0o777, int(status.st_mtime), 0, target)
        elif path not in self._odd and len(self._odd) < 100:
            self._odd.add(path)
            warn(f"{self._shown(path)} is a {_ODD.get(kind, 'special file')}, so it is left out of the build")

    def _hides(self, path: bytes) -> bool:
        return self._ignored is not None and self._ignored.hides(path)

    def _read(self, handle: int, most: int, path: bytes) -> bytes:
        try:
            return os.read(handle, most)
        except OSError as exc:
            raise self._unreadable(path, exc) from exc

    def _shown(self, path: bytes) -> str:
        return f"{self._root}/{shown_name(path)}".rstrip("/")

    def _unreadable(self, path: bytes, exc: OSError) -> SourceUnusable:
        return SourceUnusable(
            f"{self._shown(path)} cannot be read: {exc.strerror}",
            hint="make it readable, or leave it out with exclude in project.toml",
        )


def _mode(status: os.stat_result, least: int) -> int:
    return stat.S_IMODE(status.st_mode) | least
