"""The run image as image extensions left it: which layers they added, and the configuration that it has now.

The extender leaves it as an OCI layout of its own that lacks the run image's blobs: `<extended>/run/<digest>/`.
Build user's code may have written there since, so nothing in it is believed that a digest does not vouch for.

Specification: platform.md, "extender" and "exporter" on `<extended>`; GO-12, EXP-03.
"""

# Paths here are joined from a folder and checked digests.
# ruff: noqa: PTH208

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import ExportError, InvalidArchive, InvalidFile
from pybuild.lifecycle.content import spooled_layer
from pybuild.oci import model, tar
from pybuild.oci.digest import is_digest, sha256
from pybuild.stores import compress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pybuild.stores.api import Layer, StoredImage

CREATED_BY = "Layer: '{what}', Created by extension: {id}"
"""What an app image's history says of an extension's layer (GO-33)."""

_PIECE = 1 << 20
_HINT = "run the extender with -kind run once more, into an empty folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedRunImage:
    """What extensions made of the run image. `layers`: those on top of it, bottom first.

    `config`: the object `config` of its configuration; None where the run image's own still holds. `held`: an image
    of the store that consists of the run image's layers and these; None where they have to be sent.
    """

    layers: tuple[Layer, ...]
    config: Mapping[str, Any] | None = None
    held: StoredImage | None = None

    def onto(self, run_image: StoredImage) -> Mapping[str, Any]:
        """The configuration that the app image's is made from: that of `run_image`, with what extensions set."""
        return run_image.config if self.config is None else {**run_image.config, "config": self.config}


def read_extended(folder: str, *, with_config: bool) -> ExtendedRunImage | None:
    """What the extender left in `folder`, `<extended>/run`; None where it left nothing.

    `with_config`: take over its configuration too. Raises `ExportError` for what is no such image.
    """
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not names:
        return None
    if len(names) > 1:
        raise ExportError(f"{folder} holds {len(names)} images; expected one", hint=_HINT)
    place = f"{folder}/{names[0]}"
    try:
        return _read(place, with_config=with_config)
    except (InvalidFile, InvalidArchive) as exc:
        raise ExportError(f"the extended run image in {place} cannot be used: {exc}", hint=_HINT) from exc
    except OSError as exc:
        raise ExportError(
            f"the extended run image in {place} cannot be read: {exc.filename}: {exc.strerror}", hint=_HINT
        ) from exc


def _read(place: str, *, with_config: bool) -> ExtendedRunImage:
    index = gojson.loads(_content(f"{place}/index.json"), where="index.json")
    listed = index.get("manifests") if isinstance(index, dict) else None
    if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], dict):
        raise InvalidFile("index.json: expected one manifest")
    manifest = model.manifest(_json(place, listed[0].get("digest"), "manifest"))
    file = model.config_file(_json(place, manifest["config"].get("digest"), "configuration"))
    layers, diff_ids = manifest["layers"] or (), file["rootfs"]["diff_ids"] or ()
    if len(layers) != len(diff_ids):
        raise InvalidFile(f"the manifest has {len(layers)} layers, the configuration {len(diff_ids)}")
    made_by = [
        item.get("created_by", "") for item in file.get("history") or () if not item.get("empty_layer")
    ]
    made_by += [""] * (len(layers) - len(made_by))
    return ExtendedRunImage(
        layers=tuple(
            _layer(path, diff_id, created_by)
            for descriptor, diff_id, created_by in zip(layers, diff_ids, made_by, strict=False)
            if (path := _blob(place, descriptor.get("digest"))) and os.path.lexists(path)
        ),
        config=file["config"] if with_config else None,
    )


def _layer(path: str, diff_id: str, created_by: str) -> Layer:
    """The layer whose blob, compressed or not, lies at `path`."""
    with _opened(path) as file:
        chunks = iter(lambda: file.read(_PIECE), b"")
        return spooled_layer(normalized(compress.unpack(chunks, diff_id=diff_id)), created_by)


def normalized(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A layer's tar as the Go lifecycle writes it anew: entries as they are, with one time and no names of users."""
    return tar.gather(_normalized(chunks))


def _normalized(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for member, body in tar.read(chunks):
        yield tar.header(
            tar.TarEntry(
                name=member.name,
                kind=member.kind,
                mode=member.mode,
                uid=member.uid,
                gid=member.gid,
                size=member.size,
                linkname=member.linkname,
                devmajor=member.devmajor,
                devminor=member.devminor,
                xattrs=member.xattrs,
            )
        )
        yield from body
        yield tar.padding(member.size)
    yield tar.TRAILER


def _json(place: str, digest: object, what: str) -> object:
    content = _content(_blob(place, digest))
    if sha256(content) != digest:
        raise InvalidFile(f"the {what} is not what its digest {digest} says")
    return gojson.loads(content, where=what)


def _blob(place: str, digest: object) -> str:
    if not isinstance(digest, str) or not is_digest(digest):
        raise InvalidFile(f"{str(digest)[:80]!r} is no digest")
    return f"{place}/blobs/{digest.replace(':', '/')}"


def _content(path: str) -> bytes:
    with _opened(path) as file:
        return file.read(gojson.MAX_BYTES + 1)


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """A regular file, never through a link: a FIFO would be waited for, a device never ends."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InvalidFile(f"{path} is no regular file")
        yield file
