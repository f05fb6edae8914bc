"""One image put together out of blobs: those that are somewhere already are named, the others are made.

Nothing here has a name yet. Where the blobs belong, and how the image gets its names, is for the store to say.

Specification: OCI image-spec, "Image Manifest"; for the phases the forms that the Go lifecycle writes (GO-27, GO-34).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import ExportError
from pybuild.gojson import Struct
from pybuild.oci import model
from pybuild.oci.digest import Hashing, sha256
from pybuild.stores import compress
from pybuild.stores.image_manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pybuild.stores.api import ImageReader, Layer, StoredImage
    from pybuild.stores.coming import Coming
    from pybuild.stores.layout_index import LayoutIndex

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
_AS_OCI = {
    model.DOCKER_LAYER: OCI_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar": OCI_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": f"{OCI_LAYER}+zstd",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How an image is written down. `plain`: layers are not compressed; `sparse`: the base's may be missing."""

    manifest_type: str = model.OCI_MANIFEST
    config_type: str = model.OCI_CONFIG
    layer_type: str = OCI_LAYER_GZIP
    annotations: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False
    sparse: bool = False


PLAIN = Form(layer_type=OCI_LAYER, plain=True)


def as_oci(layer: Struct) -> Struct:
    """A layer's descriptor with OCI's media type for what it is."""
    media_type = layer["mediaType"]
    return Struct({**layer, "mediaType": _AS_OCI.get(media_type, media_type)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Layers that lie in a layout, by diff id: they need not be made again."""

    index: LayoutIndex
    layers: Mapping[str, Struct]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """The new image. `text`, `config`: bytes of manifest and configuration. `sent`: bytes of layers that were made.

    `held`: where those blobs are that were not made, by digest.
    """

    manifest: Manifest
    text: bytes
    config: bytes
    sent: int
    held: Mapping[str, LayoutIndex]

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(layer["size"] for layer in self.layers)

    @property
    def layers(self) -> Sequence[Mapping[str, Any]]:
        """Their descriptors, bottom first, each once."""
        unique = {layer["digest"]: layer for layer in self.manifest.value["layers"] or ()}
        return list(unique.values())


class Assembly:
    """One image while it is put together. `held`: where layers may be, the best place first.

    `lender`: has those of the base that are in none of these. New blobs go into `coming`.
    """

    def __init__(self, coming: Coming, form: Form, held: Sequence[Held], lender: ImageReader | None) -> None:
        self._coming, self._form, self._held, self._lender = coming, form, held, lender
        self._order: list[str] = []
        self._layers: dict[str, Struct] = {}
        self._from: dict[str, LayoutIndex] = {}
        self._sent = 0

    def carry_out(
        self, base: StoredImage, layers: Sequence[Layer], make_config: Callable[[Sequence[str]], bytes]
    ) -> Assembled:
        """Do it. Raises `ExportError` for a layer that changed, or a base's that is nowhere."""
        for diff_id in base.diff_ids:
            if not self._reuse(diff_id, sparse=self._form.sparse):
                self._make(self._lent(base, diff_id), "the run image", diff_id)
        for layer in layers:
            if layer.diff_id is None or not self._reuse(layer.diff_id):
                self._add(layer)
        config = make_config(tuple(self._order))
        value = {
            "schemaVersion": 2,
            "mediaType": self._form.manifest_type,
            "config": Struct(mediaType=self._form.config_type, size=len(config), digest=sha256(config)),
            "layers": [self._layers[diff_id] for diff_id in self._order],
            "annotations": dict(self._form.annotations) or None,
        }
        text = model.encode_manifest(value)
        manifest = Manifest(
            digest=sha256(text),
            media_type=self._form.manifest_type,
            value=model.manifest(value),
            config=model.config_file(gojson.loads(config, where="image configuration")),
            diff_ids=tuple(self._order),
        )
        return Assembled(manifest=manifest, text=text, config=config, sent=self._sent, held=self._from)

    def _reuse(self, diff_id: str, *, sparse: bool = False) -> bool:
        """Name a layer that is somewhere already, in the form that is wanted."""
        if diff_id in self._layers:
            return self._note(diff_id, self._layers[diff_id])
        known = [(held.index, held.layers[diff_id]) for held in self._held if diff_id in held.layers]
        if self._form.plain:
            known = [(index, layer) for index, layer in known if layer["digest"] == diff_id]
        whole = [(index, layer) for index, layer in known if index.holds(layer["digest"], layer["size"])]
        for index, layer in whole or (known if sparse else ()):
            self._from[layer["digest"]] = index
            return self._note(diff_id, self._typed(layer))
        return False

    def _add(self, layer: Layer) -> None:
        if layer.packed is not None and not self._form.plain:
            packed = layer.packed()
            layer.check(packed.diff_id, packed.tar_size)
            digest, size = self._coming.add(packed.pieces())
            self._made(packed.diff_id, digest, size)
            return
        content = Hashing(layer.open())
        digest, size = self._write(content)
        layer.check(content.digest, content.size)
        self._made(content.digest, digest, size)

    def _make(self, chunks: Iterable[bytes], what: str, diff_id: str) -> None:
        content = Hashing(chunks)
        digest, size = self._write(content)
        if content.digest != diff_id:
            raise ExportError(f"{what} has a layer {content.digest} where {diff_id} was expected")
        self._made(diff_id, digest, size)

    def _write(self, content: Hashing) -> tuple[str, int]:
        return self._coming.add(content if self._form.plain else compress.compressed_pieces(content))

    def _made(self, diff_id: str, digest: str, size: int) -> None:
        self._note(diff_id, Struct(mediaType=self._form.layer_type, size=size, digest=digest))
        self._sent += size

    def _note(self, diff_id: str, layer: Struct) -> bool:
        self._order.append(diff_id)
        self._layers[diff_id] = layer
        return True

    def _typed(self, layer: Struct) -> Struct:
        if self._form.manifest_type != model.OCI_MANIFEST or self._form.layer_type == model.DOCKER_LAYER:
            return layer
        return as_oci(layer)

    def _lent(self, base: StoredImage, diff_id: str) -> Iterator[bytes]:
        if self._lender is None:
            raise ExportError(
                f"the layer {diff_id} of the run image {base.id} is not there any more",
                hint="get the run image anew",
            )
        return self._lender.read_layer(base, diff_id)
