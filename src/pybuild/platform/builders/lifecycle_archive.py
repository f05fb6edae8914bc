"""The lifecycle that goes into a builder: from an archive, from a lifecycle image, or our own.

What stands in the archive one folder deep becomes `/cnb/lifecycle`, with its owners and times; lifecycle.toml says
which APIs it speaks. Specification: pack's format (GO-90, GO-91, BTM-02).
"""

from __future__ import annotations

import functools
import io
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.errors import BuilderUnusable, InvalidArchive, InvalidFile, PybuildError
from pybuild.gojson import Struct
from pybuild.oci import tar
from pybuild.spec import toml
from pybuild.spec.api import ApiVersion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pybuild.spec.toml import Table
    from pybuild.stores.api import ImageReader, StoredImage

LIFECYCLE_DIR = "/cnb/lifecycle"
NEEDED = ("analyzer", "builder", "creator", "detector", "exporter", "launcher", "restorer")

_MOST_BYTES = 512 << 20
_LIMITS = tar.Limits(entries=1000, size=_MOST_BYTES, name=4096)
_PROGRAM = re.compile(rb"[^/]+/([^/]+)")
_NAMES = slice(265, 329)  # of a ustar header: the user's name, then the group's
_CHECKSUM = slice(148, 156)
_HINT = "its lifecycle.toml must have [lifecycle] version and [apis.buildpack] and [apis.platform] supported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apis:
    """Versions of one API that a lifecycle speaks."""

    deprecated: tuple[str, ...] = ()
    supported: tuple[str, ...] = ()

    @classmethod
    def read(cls, table: Table) -> Self:
        """From `[apis.buildpack]` or `[apis.platform]`."""
        found = cls(deprecated=table.texts("deprecated"), supported=table.texts("supported"))
        try:
            for text in (*found.deprecated, *found.supported):
                ApiVersion.parse(text)
        except PybuildError as exc:
            raise InvalidFile(f"{table.place()}: {exc}", hint=_HINT) from exc
        if not found.supported:
            raise InvalidFile(f"{table.place('supported')}: expected API versions, found none", hint=_HINT)
        return found

    def tree(self) -> Struct:
        """Its object in labels."""
        return Struct(deprecated=list(self.deprecated), supported=list(self.supported))

    @property
    def oldest(self) -> str:
        """What a platform from before there were several takes for the one that is spoken."""
        return min((*self.deprecated, *self.supported), key=ApiVersion.parse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """A lifecycle. `layer`: the tar of the layer that brings it."""

    version: str
    buildpack: Apis
    platform: Apis
    layer: bytes

    def apis(self) -> Struct:
        """The object that says which APIs it speaks."""
        return Struct(buildpack=self.buildpack.tree(), platform=self.platform.tree())

    def tree(self) -> Struct:
        """What a builder's metadata say of it."""
        oldest = Struct(buildpack=self.buildpack.oldest, platform=self.platform.oldest)
        return Struct(version=self.version, api=oldest, apis=self.apis())


def read(path: Path) -> Lifecycle:
    """The lifecycle in a .tgz or .tar. Raises `InvalidArchive`, `InvalidFile`."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise InvalidFile(
            f"the lifecycle {path} cannot be read: {exc.strerror}", hint=f"ls -l {path}"
        ) from exc
    return from_archive(data, str(path))


def from_archive(data: bytes, origin: str) -> Lifecycle:
    """The lifecycle in the bytes of a .tgz or .tar. `origin`: names it in errors."""
    if data.startswith(b"\x1f\x8b"):
        gzip = zlib.decompressobj(wbits=31)
        try:
            data = gzip.decompress(data, _MOST_BYTES)
        except zlib.error as exc:
            raise InvalidArchive(f"{origin} cannot be unpacked: {exc}") from exc
        if not gzip.eof:
            raise InvalidArchive(f"{origin} is cut off, or larger than {_MOST_BYTES >> 20} MiB")
    return _from_tar(data, origin)


def from_image(reader: ImageReader, image: StoredImage, origin: str) -> Lifecycle:
    """The lifecycle in the last layer of a lifecycle image."""
    if not image.diff_ids:
        raise BuilderUnusable(f"the lifecycle image {origin} has no layers", hint="name another one")
    data = b"".join(reader.read_layer(image, image.diff_ids[-1]))
    return _from_tar(data, f"the last layer of {origin}")


@functools.cache
def ours() -> Lifecycle:
    """pybuild's own, made of this program: it needs Python 3.11 or later in the build image."""
    from pybuild.platform.builders.lifecycle_program import members, program

    return _from_tar(b"".join(tar.write(members(program()))), "pybuild's own lifecycle")


def _from_tar(data: bytes, origin: str) -> Lifecycle:
    parts = [tar.header(tar.TarEntry(LIFECYCLE_DIR.encode(), tar.DIRECTORY, 0o755, 0, 0))]
    found: set[str] = set()
    table = None
    for member, at in tar.extents(io.BytesIO(data), limits=_LIMITS):
        # A lifecycle image has its files below /cnb.
        name = b"/".join(part for part in member.name.split(b"/") if part not in (b"", b"."))
        name = name.removeprefix(b"cnb/")
        if name == b"lifecycle.toml":
            table = toml.load(data[at : at + member.size], file=f"{origin}: lifecycle.toml")
        program = _PROGRAM.fullmatch(name)
        if program is not None and member.kind in (tar.FILE, tar.SYMLINK, tar.HARD_LINK):
            found.add(program[1].decode(errors="replace"))
            parts += _entry(member, program[1], data, at)
    missing = [each for each in NEEDED if each not in found]
    if table is None or missing:
        lacks = "lifecycle.toml" if table is None else f"lifecycle/{missing[0]}"
        raise InvalidArchive(
            f"{origin} is no lifecycle: it has no {lacks}", hint="take the .tgz of a release"
        )
    link = tar.TarEntry(b"/lifecycle", tar.SYMLINK, 0o644, 0, 0, linkname=LIFECYCLE_DIR.encode())
    parts += [tar.header(link), tar.TRAILER]
    return _described(table, b"".join(parts))


def _described(table: Table, layer: bytes) -> Lifecycle:
    apis = table.table("apis")
    return Lifecycle(
        version=table.table("lifecycle").needed("version"),
        buildpack=Apis.read(apis.table("buildpack")),
        platform=Apis.read(apis.table("platform")),
        layer=layer,
    )


def _entry(member: tar.Member, name: bytes, data: bytes, at: int) -> Iterator[bytes]:
    renamed = member._replace(name=f"{LIFECYCLE_DIR}/".encode() + name)
    if member.kind == tar.HARD_LINK:
        renamed = renamed._replace(
            linkname=f"{LIFECYCLE_DIR}/".encode() + member.linkname.rpartition(b"/")[2]
        )
    block = bytearray(tar.header(renamed, mtime=member.mtime))
    # Who packed a release is recorded by name, too; pack keeps that, so its layer has the same digest as ours.
    block[len(block) - tar.BLOCK + _NAMES.start : len(block) - tar.BLOCK + _NAMES.stop] = data[
        at - tar.BLOCK : at
    ][_NAMES]
    yield bytes(_summed(block))
    yield data[at : at + member.size]
    yield tar.padding(member.size)


def _summed(block: bytearray) -> bytearray:
    """The header with a checksum that is right again."""
    last = block[-tar.BLOCK :]
    last[_CHECKSUM] = b" " * 8
    last[_CHECKSUM] = b"%06o\0 " % sum(last)
    return block[: -tar.BLOCK] + last
