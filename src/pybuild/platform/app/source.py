"""The app's files on their way into a build: read from a folder or a zip, sent as one tar, in one pass.

What is sent is what was there: names byte for byte, modes, times, symlinks as they are. Sockets, devices and FIFOs
stay behind; nothing outside the app is ever opened. Memory does not grow with the app.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import SourceUnusable
from pybuild.events import Progress, emit, warn
from pybuild.oci import tar
from pybuild.platform.app import source_folder
from pybuild.platform.app.selection import Selection
from pybuild.platform.app.source_entry import shown_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pybuild.platform.app.ignore_files import IgnoreFile
    from pybuild.platform.app.source_entry import Found, Reader
    from pybuild.platform.app.source_notes import SourceNotes

_BLOCK = 1 << 20
_MOST_WARNINGS = 10
_LATEST = 0o77777777777  # seconds that a tar header can say
_PROGRESS_SECONDS = 0.2
_KINDS = {"f": tar.FILE, "d": tar.DIRECTORY, "l": tar.SYMLINK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An app that can be sent. `files` and `size` (bytes of content) were counted when it was opened."""

    path: Path
    files: int
    size: int
    reader: Reader

    def upload(self, *, uid: int, gid: int, prefix: str = "") -> Upload:
        """The app as a tar whose entries belong to `uid:gid`, named below the relative folder `prefix`."""
        return Upload(self, uid=uid, gid=gid, prefix=prefix)


def open_source(
    path: Path,
    selection: Selection | None = None,
    ignore_files: Sequence[IgnoreFile] = (),
    notes: SourceNotes | None = None,
) -> Source:
    """The app in a folder or zip file, without what its own `ignore_files` leave out. `notes`: sees all that is sent. Raises `SourceUnusable` for none, an empty or unreadable one, a dangerous zip."""
    chosen = selection or Selection()
    if path.is_dir():
        reader: Reader = source_folder.reader(path, chosen, ignore_files)
    elif path.is_file():
        from pybuild.platform.app import source_zip

        reader = source_zip.reader(path, chosen, ignore_files)
    elif path.exists() or path.is_symlink():
        raise SourceUnusable(f"{path} is neither a folder nor a zip file", hint="pass --path FOLDER")
    else:
        raise SourceUnusable(f"there is no {path}", hint="pass --path FOLDER with your app's sources")
    files = size = 0
    for found in reader.walk():
        if found.kind != "d":
            files += 1
            size += found.size
        if notes is not None:
            notes.see(found)
    if not files:
        raise SourceUnusable(
            f"there are no files to build in {path}",
            hint="go into your app's folder or pass --path; check include and exclude in project.toml",
        )
    return Source(path=path, files=files, size=size, reader=reader)


class Upload:
    """One sending of an app: iterate it once for the tar in chunks; then `digest`, `files` and `size` are known.

    `digest` is `sha256:…` of the tar's bytes. A file that changes or vanishes meanwhile cannot spoil the tar.
    """

    def __init__(self, source: Source, *, uid: int, gid: int, prefix: str) -> None:
        self._source = source
        self._uid, self._gid = uid, gid
        self._prefix = os.fsencode(prefix.strip("/"))
        self._hash = hashlib.sha256()
        self._warned = 0
        self.files = 0
        self.size = 0

    @property
    def digest(self) -> str:
        """Of all that has been sent so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def __iter__(self) -> Iterator[bytes]:
        label = "Uploading the app"
        shown = time.monotonic()
        for chunk in tar.gather(self._chunks()):
            self._hash.update(chunk)
            yield chunk
            if time.monotonic() - shown > _PROGRESS_SECONDS:
                shown = time.monotonic()
                emit(Progress(label=label, done=self.size, total=max(self._source.size, self.size)))
        emit(Progress(label=label, done=-1))

    def _chunks(self) -> Iterator[bytes]:
        if self._prefix:
            # As pack sends it, so that both tools make the same image; an app's own user may write beside it.
            yield tar.header(self._entry(b"", tar.DIRECTORY, 0o777, 0, b""))
        for found in self._source.reader.walk():
            if found.kind == "f":
                yield from self._file(found)
            else:
                entry = self._entry(found.path, _KINDS[found.kind], found.mode, 0, found.target)
                yield tar.header(entry, mtime=_second(found.mtime))
                self.files += found.kind == "l"
        yield tar.TRAILER

    def _file(self, found: Found) -> Iterator[bytes]:
        opened = self._source.reader.open(found)
        if opened is None:
            self._warn(f"{shown_name(found.path)} vanished while the app was read, so it is left out")
            return
        with opened as file:
            entry = self._entry(found.path, tar.FILE, file.mode, file.size, b"")
            yield tar.header(entry, mtime=_second(file.mtime))
            left = file.size
            while left and (chunk := file.read(min(left, _BLOCK))):
                left -= len(chunk)
                self.size += len(chunk)
                yield chunk
            if left or file.read(1):
                self._warn(
                    f"{shown_name(found.path)} changed while it was read, so the build may get a mixture"
                )
        while left > 0:
            yield bytes(min(left, _BLOCK))
            left -= _BLOCK
        yield tar.padding(file.size)
        self.files += 1

    def _entry(self, path: bytes, kind: bytes, mode: int, size: int, target: bytes) -> tar.TarEntry:
        name = b"/".join(part for part in (self._prefix, path) if part)
        return tar.TarEntry(
            name=name, kind=kind, mode=mode, uid=self._uid, gid=self._gid, size=size, linkname=target
        )

    def _warn(self, text: str) -> None:
        self._warned += 1
        if self._warned <= _MOST_WARNINGS:
            warn(text)
        elif self._warned == _MOST_WARNINGS + 1:
            warn("more of the app's files change while they are read; the rest is not listed")


def _second(mtime: int) -> int:
    return min(max(mtime, 0), _LATEST)
