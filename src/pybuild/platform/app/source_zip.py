"""An app in a zip file: every name is checked before anything is sent, and a bomb is refused by its own figures."""

from __future__ import annotations

import calendar
import stat
import zipfile
import zlib
from typing import TYPE_CHECKING

from pybuild.errors import SourceUnusable
from pybuild.platform.app.source_entry import Found, Opened, shown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pybuild.platform.app.ignore_files import Ignored, IgnoreFile
    from pybuild.platform.app.selection import Selection

MOST_ENTRIES = 500_000
MOST_BYTES = 16 << 30
MOST_SWOLLEN = 200
"""How many times larger than the file its content may be, once it is larger than `HARMLESS` bytes."""
HARMLESS = 256 << 20
MAX_IGNORE_FILE = 1 << 20

_LONGEST_LINK = 4096
_ERRORS = (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error)


def reader(path: Path, selection: Selection, ignore_files: Sequence[IgnoreFile] = ()) -> ZipReader:
    """The reader of a zip file. Raises `SourceUnusable` for one that is damaged, encrypted or dangerous."""
    try:
        archive = zipfile.ZipFile(path)
    except _ERRORS as exc:
        raise SourceUnusable(
            f"{path} is no zip file that can be read: {exc}", hint="pass a folder or a zip file with --path"
        ) from exc
    entries = _checked(archive, path)
    return ZipReader(archive, path, selection, entries, ignore_files)


class ZipReader:
    """Reads one zip file whose names have been checked."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        path: Path,
        selection: Selection,
        entries: dict[bytes, zipfile.ZipInfo | None],
        ignore_files: Sequence[IgnoreFile] = (),
    ) -> None:
        self._archive = archive
        self._path = path
        self._selection = selection
        # A folder sorts directly before what is in it.
        self._entries = sorted(entries.items(), key=lambda item: item[0].replace(b"/", b"\0"))
        self._ignored: Ignored | None = None
        if ignore_files:
            from pybuild.platform.app.ignore_files import Ignored

            self._ignored = Ignored(ignore_files, lambda name: self._small_file(entries.get(name)))

    def walk(self) -> Iterator[Found]:
        """See `Reader`. Folders that are only implied are made with mode 0755."""
        matched: dict[bytes, bool] = {}
        held: list[Found] = []
        for name, info in self._entries:
            parent = name.rpartition(b"/")[0]
            while held and not (parent + b"/").startswith(held[-1].path + b"/"):
                held.pop()
            found = self._found(name, info)
            folder = found.kind == "d"
            matched[name] = self._selection.matches(
                name, folder=folder, parent_matches=matched.get(parent, False)
            )
            kept = self._selection.keeps(matched[name]) and not (
                self._ignored and self._ignored.leaves_out(name, folder=folder)
            )
            if folder and not kept:
                held.append(found)
            elif kept:
                yield from held
                held.clear()
                yield found

    def open(self, found: Found) -> Opened | None:
        """See `Reader`. Raises `SourceUnusable` when the content turns out damaged."""
        if not isinstance(found.place, zipfile.ZipInfo):
            return None
        try:
            file = self._archive.open(found.place)
        except _ERRORS as exc:
            raise self._damaged(found.path, exc) from exc
        return Opened(
            mode=found.mode,
            mtime=found.mtime,
            size=found.size,
            read=lambda most: self._reading(lambda: file.read(most), found.path),
            close=file.close,
        )

    def _found(self, name: bytes, info: zipfile.ZipInfo | None) -> Found:
        if info is None:
            return Found(name, "d", 0o755, 0)
        mode = info.external_attr >> 16
        mtime = _second(info)
        if _is_folder(info):
            return Found(name, "d", (stat.S_IMODE(mode) or 0o755) | 0o700, mtime)
        if stat.S_ISLNK(mode):
            target = self._reading(lambda: self._archive.read(info), name)
            return Found(name, "l", 0o777, mtime, 0, target)
        return Found(name, "f", (stat.S_IMODE(mode) or 0o644) | 0o400, mtime, info.file_size, b"", info)

    def _small_file(self, info: zipfile.ZipInfo | None) -> bytes | None:
        if info is None or _is_folder(info) or info.file_size > MAX_IGNORE_FILE:
            return None
        return self._reading(lambda: self._archive.read(info), info.filename.encode())

    def _reading(self, read: Callable[[], bytes], name: bytes) -> bytes:
        try:
            return read()
        except _ERRORS as exc:
            raise self._damaged(name, exc) from exc

    def _damaged(self, name: bytes, exc: Exception) -> SourceUnusable:
        return SourceUnusable(
            f"{self._path}: {shown_name(name)} cannot be read: {exc}", hint="make the zip anew"
        )


def _checked(archive: zipfile.ZipFile, path: Path) -> dict[bytes, zipfile.ZipInfo | None]:
    """Entries by their names' bytes, implied folders as None; `SourceUnusable` for what no app would need."""
    infos = archive.infolist()
    content = sum(info.file_size for info in infos)
    if len(infos) > MOST_ENTRIES or content > MOST_BYTES:
        raise SourceUnusable(f"{path} holds more than {MOST_ENTRIES} entries or {MOST_BYTES >> 30} GiB")
    if content > HARMLESS and content > MOST_SWOLLEN * path.stat().st_size:
        raise SourceUnusable(
            f"{path} would unpack to {content // path.stat().st_size} times its size, as only zip bombs do",
            hint="unpack it yourself and pass the folder with --path",
        )
    entries: dict[bytes, zipfile.ZipInfo | None] = {}
    for info in infos:
        name = _checked_name(info, path)
        if not name:
            continue
        if entries.get(name) is not None:
            raise SourceUnusable(f"{path} holds {shown_name(name)} twice")
        entries[name] = info
    for name in list(entries):
        _check_parents(name, entries, path)
    return entries


def _checked_name(info: zipfile.ZipInfo, path: Path) -> bytes:
    """The name's bytes without a folder's last slash; b"" for the app's own folder."""
    # Without the UTF-8 flag, zip programs on Linux store the bytes they find; Python takes them for code page 437.
    name = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437", "surrogateescape")
    shown = f"{path} holds {shown_name(name)!r}"
    parts = name.removesuffix(b"/").split(b"/")
    if name.startswith(b"/") or b".." in parts or b"\0" in name or b"\\" in name:
        raise SourceUnusable(
            f"{shown}, which leads out of the app", hint="make the zip from inside the app's folder"
        )
    if info.flag_bits & 1:
        raise SourceUnusable(f"{shown}, which is encrypted", hint="make the zip without a password")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise SourceUnusable(f"{shown}, which is neither file, folder nor symlink")
    if kind == stat.S_IFLNK and info.file_size > _LONGEST_LINK:
        raise SourceUnusable(f"{shown}, a symlink to a name of more than {_LONGEST_LINK} bytes")
    return b"/".join(part for part in parts if part not in (b"", b"."))


def _check_parents(name: bytes, entries: dict[bytes, zipfile.ZipInfo | None], path: Path) -> None:
    parent = name.rpartition(b"/")[0]
    while parent:
        info = entries.setdefault(parent, None)
        if info is not None and not _is_folder(info):
            raise SourceUnusable(
                f"{path} holds {shown_name(name)} below {shown_name(parent)}, which is no folder"
            )
        parent = parent.rpartition(b"/")[0]


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.orig_filename.endswith("/") or stat.S_ISDIR(info.external_attr >> 16)


def _second(info: zipfile.ZipInfo) -> int:
    try:
        return max(calendar.timegm((*info.date_time, 0, 0, 0)), 0)
    except ValueError:
        return 0
