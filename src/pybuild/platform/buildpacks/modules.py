"""A buildpack or extension on its way into a builder, a package or a build: its descriptor, and its files as the tar
that installs them.

Wherever the files come from, what is installed looks the same: owned by root, folders and programs 0755, other
files 0644, one fixed time, below `/cnb/buildpacks/<escaped id>/<version>`, extensions below `/cnb/extensions`
(GO-94, BTM-03).
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from pybuild.errors import InvalidArchive, InvalidInput
from pybuild.oci import tar
from pybuild.spec.buildpack import Descriptor, escape_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

Kind = Literal["buildpack", "extension"]

BUILDPACKS_DIR = "/cnb/buildpacks"
EXTENSIONS_DIR = "/cnb/extensions"
DIRS: Mapping[Kind, str] = {"buildpack": BUILDPACKS_DIR, "extension": EXTENSIONS_DIR}
MOST_BYTES = 2 << 30
MOST_ENTRIES = 200_000

_BLOCK = 1 << 20
_PROGRAMS = (b"bin/detect", b"bin/build", b"bin/generate")


@dataclass(frozen=True, slots=True)
class Content:
    """One path of a buildpack, relative to its root. `kind`: a type flag of `oci.tar`; `target`: of a link.

    `read` gives `size` bytes, and only for files; it must be called before the next entry is asked for.
    """

    path: bytes
    kind: bytes
    executable: bool = False
    size: int = 0
    target: bytes = b""
    read: Callable[[], Iterator[bytes]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A buildpack or extension that can be installed. `contents` may be called several times; folders come before
    what is in them.
    """

    descriptor: Descriptor
    origin: str
    contents: Callable[[], Iterable[Content]]

    def tar(self) -> Iterator[bytes]:
        """The tar that installs it, as an image's layer has it: with absolute names."""
        return layer_tar((self,))

    def parts(self, *, absolute: bool = True, but: frozenset[bytes] = frozenset()) -> Iterator[bytes]:
        """The same without the end that an archive has, and without the folders `but`; else to be unpacked at `/`."""
        parent, root = self.folders(absolute=absolute)
        for folder in (parent, root):
            if folder not in but:
                yield tar.header(tar.TarEntry(name=folder, kind=tar.DIRECTORY, mode=0o755, uid=0, gid=0))
        size = 0
        for count, content in enumerate(self.contents(), start=1):
            size += content.size
            if count > MOST_ENTRIES or size > MOST_BYTES:
                raise InvalidInput(
                    f"{self.origin}: a buildpack of more than {MOST_ENTRIES} files or {MOST_BYTES >> 30} GiB"
                )
            yield from _framed(content, root)

    def folders(self, *, absolute: bool = True) -> tuple[bytes, bytes]:
        """Where all its versions lie, and where it lies itself."""
        top = DIRS[self.descriptor.kind] if absolute else DIRS[self.descriptor.kind].lstrip("/")
        parent = f"{top}/{escape_id(self.descriptor.id)}"
        return parent.encode(), f"{parent}/{self.descriptor.version}".encode()


def layer_tar(modules: Iterable[Module]) -> Iterator[bytes]:
    """The tar of one layer that installs all of these, each once."""
    made: set[bytes] = set()
    for module in modules:
        parent, root = module.folders()
        if root not in made:
            yield from module.parts(but=frozenset(made))
            made |= {parent, root}
    yield tar.TRAILER


def _framed(content: Content, root: bytes) -> Iterator[bytes]:
    target = content.target
    if content.kind == tar.HARD_LINK:
        target = root + b"/" + target
    program = content.executable or content.path in _PROGRAMS or content.kind in (tar.DIRECTORY, tar.SYMLINK)
    yield tar.header(
        tar.TarEntry(
            name=root + b"/" + content.path,
            kind=content.kind,
            mode=0o755 if program else 0o644,
            uid=0,
            gid=0,
            size=content.size,
            linkname=target,
        )
    )
    left = content.size
    for chunk in content.read() if content.read else ():
        yield chunk[:left]
        left -= len(chunk[:left])
    if left:
        raise InvalidArchive(f"{os.fsdecode(content.path)!r} changed while it was read")
    yield tar.padding(content.size)


def from_folder(
    folder: Path,
    *,
    kind: Kind = "buildpack",
    extra: Mapping[str, bytes] | None = None,
    describing: Path | None = None,
) -> Module:
    """The buildpack or extension in a folder, with the `extra` files (by relative path) laid over it.

    Caches of Python and tests' leftovers (`__pycache__`) stay behind. `describing`: another folder, whose
    buildpack.toml counts. Raises `InvalidInput` for a folder without one.
    """
    file = (describing or folder) / f"{kind}.toml"
    try:
        text = file.read_bytes()
        descriptor = Descriptor.read(text, str(file), kind=kind)
    except OSError as exc:
        raise InvalidInput(
            f"{folder} is no {kind}: {file.name} cannot be read ({exc.strerror})",
            hint=f"pass the folder that holds {kind}.toml",
        ) from exc
    laid = {**(extra or {}), **({file.name: text} if describing else {})}
    return Module(descriptor=descriptor, origin=str(folder), contents=lambda: _merged(folder, laid))


def from_files(descriptor: bytes, files: Mapping[str, bytes], *, origin: str) -> Module:
    """A buildpack made of files at hand, those in bin/ executable; `descriptor`: its buildpack.toml."""
    everything = {"buildpack.toml": descriptor, **files}
    return Module(
        descriptor=Descriptor.read(descriptor, f"{origin}: buildpack.toml"),
        origin=origin,
        contents=lambda: _laid(everything, set()),
    )


def _merged(folder: Path, extra: Mapping[str, bytes]) -> Iterator[Content]:
    seen: set[bytes] = set()
    replaced = {os.fsencode(path) for path in extra}
    for content in _walked(os.fsencode(folder), b"", {}):
        if content.path not in replaced:
            seen.add(content.path)
            yield content
    yield from _laid(extra, seen)


def _laid(files: Mapping[str, bytes], seen: set[bytes]) -> Iterator[Content]:
    """Files at hand, each after the folders it needs that are not in `seen`."""
    for name, content in sorted(files.items()):
        path = os.fsencode(name)
        parts = path.split(b"/")
        for depth in range(1, len(parts)):
            parent = b"/".join(parts[:depth])
            if parent not in seen:
                seen.add(parent)
                yield Content(parent, tar.DIRECTORY)
        yield Content(path, tar.FILE, path.startswith(b"bin/"), len(content), read=partial(iter, (content,)))


def _walked(root: bytes, path: bytes, linked: dict[tuple[int, int], bytes]) -> Iterator[Content]:
    """Everything below `path`, sorted. `linked`: the first name of files with several, by device and inode."""
    here = os.path.join(root, path) if path else root  # noqa: PTH118 (bytes)
    try:
        with os.scandir(here) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as exc:
        raise InvalidInput(f"{os.fsdecode(here)} cannot be read: {exc.strerror}") from exc
    for entry in found:
        below = path + b"/" + entry.name if path else entry.name
        status = entry.stat(follow_symlinks=False)
        if entry.is_symlink():
            yield Content(below, tar.SYMLINK, target=os.readlink(entry.path))  # noqa: PTH115 (bytes)
        elif entry.is_dir(follow_symlinks=False):
            if entry.name != b"__pycache__":
                yield Content(below, tar.DIRECTORY)
                yield from _walked(root, below, linked)
        elif stat.S_ISREG(status.st_mode):
            program = bool(status.st_mode & 0o111)
            first = linked.setdefault((status.st_dev, status.st_ino), below) if status.st_nlink > 1 else below
            if first != below:
                yield Content(below, tar.HARD_LINK, program, target=first)
            else:
                yield Content(below, tar.FILE, program, status.st_size, read=_Reading(entry.path))


@dataclass(frozen=True, slots=True)
class _Reading:
    path: bytes

    def __call__(self) -> Iterator[bytes]:
        try:
            with open(self.path, "rb") as file:
                while chunk := file.read(_BLOCK):
                    yield chunk
        except OSError as exc:
            raise InvalidInput(f"{os.fsdecode(self.path)} cannot be read: {exc.strerror}") from exc
