"""Images without most of their layers, each as an OCI layout of its own in a folder named by its digest.

The restorer leaves base images so for the extender, which needs to know what they are; the extender leaves the
extended run image so for the exporter, with the layers that are new.

Specification: platform.md, "restorer" and "extender" on `<kaniko-dir>` and `<extended>`; OCI image-spec, "Image Layout".
"""

# Folders here are named by digest, files in them opened by descriptor.
# ruff: noqa: PTH103

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from pybuild.oci import model
from pybuild.oci.digest import is_digest, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

TAR_LAYER = "application/vnd.oci.image.layer.v1.tar"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseImage:
    """An image in a folder. `config`: its configuration file; `layers`: descriptors, for each diff ID."""

    folder: str
    config: Mapping[str, Any]
    layers: tuple[Mapping[str, Any], ...]

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Of all its layers."""
        return tuple(self.config["rootfs"]["diff_ids"] or ())


def read(folder: str) -> SparseImage:
    """The image in `folder`. Raises `InvalidFile`, or `OSError` for what cannot be read at all."""
    index = gojson.loads(content(f"{folder}/index.json"), where="index.json")
    listed = index.get("manifests") if isinstance(index, dict) else None
    if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], dict):
        raise InvalidFile("index.json: expected one manifest")
    manifest = model.manifest(_json(folder, listed[0].get("digest"), "manifest"))
    file = model.config_file(_json(folder, manifest["config"].get("digest"), "configuration"))
    layers, diff_ids = manifest["layers"] or (), file["rootfs"]["diff_ids"] or ()
    if len(layers) != len(diff_ids):
        raise InvalidFile(f"the manifest has {len(layers)} layers, the configuration {len(diff_ids)}")
    return SparseImage(folder=folder, config=file, layers=tuple(layers))


def write(
    parent: str,
    config: Mapping[str, Any],
    layers: Sequence[Mapping[str, Any]],
    blobs: Mapping[str, Callable[[], Iterable[bytes]]],
    *,
    name: str = "",
) -> str:
    """Write an image below `parent`; return its folder. `layers`: descriptors; `blobs`: of those that are there.

    `name`: of the folder, else it is the manifest's digest. What stood in its place is removed. Raises `OSError`.
    """
    text = model.encode_config(config)
    manifest = model.encode_manifest(
        Struct(
            schemaVersion=2,
            mediaType=model.OCI_MANIFEST,
            config=descriptor(model.OCI_CONFIG, sha256(text), len(text)),
            layers=list(layers),
        )
    )
    digest = sha256(manifest)
    index = Struct(schemaVersion=2, manifests=[descriptor(model.OCI_MANIFEST, digest, len(manifest))])
    folder = f"{parent}/{name or digest}"
    os.makedirs(parent, exist_ok=True)
    if os.path.lexists(folder):
        shutil.rmtree(folder)
    os.makedirs(f"{folder}/blobs/sha256")
    for blob, chunks in blobs.items():
        _put(_blob(folder, blob), chunks())
    for known, data in ((sha256(text), text), (digest, manifest)):
        _put(_blob(folder, known), (data,))
    _put(f"{folder}/oci-layout", (_LAYOUT,))
    # Last: with it, the image is there.
    _put(f"{folder}/index.json", (gojson.dumps(index).encode(),))
    return folder


def descriptor(media_type: str, digest: str, size: int) -> Struct:
    """What a manifest says of a blob."""
    return Struct(mediaType=media_type, size=size, digest=digest)


def blob_path(image: SparseImage, layer: Mapping[str, Any]) -> str:
    """Where the blob of a layer is, if the image has it; else ""."""
    path = _blob(image.folder, layer.get("digest"))
    return path if os.path.lexists(path) else ""


def content(path: str) -> bytes:
    """A small file, never through a link."""
    with opened(path) as file:
        return file.read(gojson.MAX_BYTES + 1)


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """A regular file, never through a link: a FIFO would be waited for, a device never ends."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InvalidFile(f"{path} is no regular file")
        yield file


def _json(folder: str, digest: object, what: str) -> object:
    data = content(_blob(folder, digest))
    if sha256(data) != digest:
        raise InvalidFile(f"the {what} is not what its digest {digest} says")
    return gojson.loads(data, where=what)


def _blob(folder: str, digest: object) -> str:
    if not isinstance(digest, str) or not is_digest(digest):
        raise InvalidFile(f"{str(digest)[:80]!r} is no digest")
    return f"{folder}/blobs/{digest.replace(':', '/')}"


def _put(path: str, chunks: Iterable[bytes]) -> None:
    with open(path, "xb") as file:
        file.writelines(chunks)
