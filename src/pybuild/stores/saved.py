"""Images as `docker save` writes them: a tar with manifest.json, in which a configuration and layers are named.

Engines before 25 write `<id>/layer.tar` with links between equal layers, later ones and those with containerd's
image store write an OCI layout with a `manifest.json` beside it, its layers perhaps compressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from pybuild import gojson
from pybuild.errors import InvalidArchive, InvalidFile
from pybuild.oci import model
from pybuild.oci.digest import is_digest, sha256
from pybuild.oci.reference import Reference
from pybuild.stores import compress, peek
from pybuild.stores.api import StoredImage
from pybuild.stores.files import Archive, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pybuild.gojson import Struct

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """One image of a `docker save`. `id`: digest of its configuration. `layers`: name of the file, by diff id."""

    id: str
    config: Struct
    diff_ids: tuple[str, ...]
    layers: Mapping[str, str]
    names: tuple[str, ...]


def read_saved(archive: Archive) -> tuple[Saved, ...]:
    """All images of the archive. Raises `InvalidArchive` if its manifest.json cannot be used."""
    try:
        return tuple(_saved(archive, entry) for entry in _json(archive, MANIFEST_FILE))
    except (KeyError, TypeError, ValueError, InvalidFile) as exc:
        why = f": {exc}" if isinstance(exc, InvalidFile) else ""
        raise InvalidArchive(
            f"{archive.where} has no usable {MANIFEST_FILE}{why}",
            hint="save it again: docker save -o FILE IMAGE",
        ) from exc


def layer(archive: Archive, image: Saved, diff_id: str) -> Iterator[bytes]:
    """A layer's uncompressed tar; `InvalidArchive` at its end if it is not what the diff id says."""
    return compress.unpack(archive.pieces(_file(archive, image, diff_id)), diff_id=diff_id)


class SavedImage:
    """The one image that an engine gives out, in a temporary file that is gone with `close`."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._archive = Archive.kept(chunks, "what the engine gave")
        try:
            images = read_saved(self._archive)
            if len(images) != 1:
                raise InvalidArchive(
                    f"the engine gave a {MANIFEST_FILE} with {len(images)} images instead of one"
                )
        except BaseException:
            self.close()
            raise
        self._image = images[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the disk space."""
        self._archive.close()

    def size(self, diff_id: str) -> int:
        """Bytes of a layer's uncompressed tar."""
        chunks = self._archive.pieces(_file(self._archive, self._image, diff_id))
        return sum(map(len, compress.inflated(chunks, f"the layer {diff_id}")))

    def layer(self, diff_id: str) -> Iterator[bytes]:
        """A layer's uncompressed tar; `InvalidArchive` at its end if it is not what the diff id says."""
        return layer(self._archive, self._image, diff_id)


class SavedReader:
    """The images in a file that `docker save` wrote, to look at. An image's `id` is its configuration's digest."""

    def __init__(self, path: Path) -> None:
        self._archive = Archive.open(path)
        self._images = {image.id: image for image in read_saved(self._archive)}

    def find(self, name: Reference | str) -> StoredImage | None:
        """The image of that name or id; "": the only image."""
        if name == "" and len(self._images) != 1:
            named = ", ".join("/".join(image.names) or image.id for image in [*self._images.values()][:20])
            raise InvalidArchive(
                f"{self._archive.where} holds {len(self._images)} images: {named or 'none'}",
                hint="say which one: docker-archive:FILE:NAME",
            )
        for image in self._images.values():
            if name in ("", image.id) or _is_called(image, name):
                return _stored(image, sum(self._archive.size(file) or 0 for file in image.layers.values()))
        return None

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        """See `ImageStore.read_layer`."""
        return layer(self._archive, self._images[image.id], diff_id)

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        """See `ImageStore.read_file`; 1 MiB at most. Reads layers from the top until it is found."""
        return peek.read_file(image.diff_ids, partial(self.read_layer, image), path)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()


def _saved(archive: Archive, entry: Any) -> Saved:
    content = read(archive, entry["Config"], most=gojson.MAX_BYTES)
    if content is None:
        raise InvalidFile(f"the configuration {str(entry['Config'])[:80]!r} is missing")
    config = model.config_file(gojson.loads(content, where=entry["Config"]), where=entry["Config"])
    diff_ids = tuple(config["rootfs"]["diff_ids"] or ())
    if not all(map(is_digest, diff_ids)):
        raise InvalidFile("a layer's diff id is no digest")
    return Saved(
        id=sha256(content),
        config=config,
        diff_ids=diff_ids,
        layers=dict(zip(diff_ids, map(str, entry["Layers"] or ()), strict=True)),
        names=tuple(map(str, entry.get("RepoTags") or ())),
    )


def _json(archive: Archive, name: str) -> Any:
    content = read(archive, name, most=gojson.MAX_BYTES)
    if content is None:
        raise InvalidFile("it is missing")
    return gojson.loads(content, where=name)


def _file(archive: Archive, image: Saved, diff_id: str) -> str:
    name = image.layers.get(diff_id, "")
    if archive.size(name) is None:
        raise InvalidArchive(f"{archive.where} is an image without the layer {diff_id}")
    return name


def _is_called(image: Saved, name: Reference | str) -> bool:
    if isinstance(name, str) and not is_digest(name):
        name = Reference.parse(name)
    # Whoever wrote the archive may have written names that are none.
    return isinstance(name, Reference) and not {name.name, name.familiar}.isdisjoint(image.names)


def _stored(image: Saved, size: int) -> StoredImage:
    return StoredImage(
        id=image.id,
        config=image.config,
        diff_ids=image.diff_ids,
        labels=image.config["config"].get("Labels", {}),
        names=image.names,
        size=size,
        config_digest=image.id,
    )
