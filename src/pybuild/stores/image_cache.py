"""Cached layers kept as the layers of an image in a registry, for machines that keep nothing themselves.

The Go lifecycle can use our cache images and we can use its: an OCI image whose label says what its layers are. A cache
image that is missing, damaged or out of reach is an empty cache; a layer is believed when its diff id has been found right.

Specification: platform.md on `<cache-image>`; buildpack.md, "Cached Layers". Shape: GO-04 to GO-06.
"""

from __future__ import annotations

import errno
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive, InvalidFile, RegistryError
from pybuild.events import info, warn
from pybuild.oci import model
from pybuild.oci.digest import Hashing, is_digest
from pybuild.spec.cache import CACHE_METADATA, CacheMetadata
from pybuild.stores.api import Layer, UnusableLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pybuild.oci.reference import Reference
    from pybuild.stores.api import StoredImage
    from pybuild.stores.registry import RegistryStore

_CREATED = "1980-01-01T00:00:01Z"
_NO_FILES = bytes(1024)
_PIECE = 1 << 20


class ImageCache:
    """The layers of the cache image `name`, which need not exist. Nothing is looked up before it is asked for.

    `prove`: a layer is read to its end, and so proved, before its first byte is given. That is for readers that could not
    take back what a lie had them write.
    """

    def __init__(self, store: RegistryStore, name: Reference, *, prove: bool = False) -> None:
        self._store, self._name, self._prove = store, name, prove
        self._looked = self._damaged = self._foreign = False
        self._image: StoredImage | None = None
        self._metadata = CacheMetadata()
        self._unusable: set[str] = set()

    def metadata(self) -> CacheMetadata:
        """See `LayerCache.metadata` (CCH-04, F-13)."""
        self._look()
        return self._metadata

    def read(self, diff_id: str) -> Iterator[bytes]:
        """See `LayerCache.read`."""
        self._look()
        if self._image is None or not is_digest(diff_id) or diff_id not in self._image.diff_ids:
            raise UnusableLayer(f"the cache image {self._name} has no layer {diff_id[:80]}")
        content = self._store.read_layer(self._image, diff_id)
        try:
            yield from _proved(content) if self._prove else content
        except (RegistryError, InvalidArchive) as exc:
            self._unusable.add(diff_id)
            raise UnusableLayer(f"the cache image {self._name} has no usable layer {diff_id}: {exc}") from exc

    def write(
        self, layers: Sequence[Layer], describe: Callable[[Sequence[str]], CacheMetadata]
    ) -> Sequence[str]:
        """See `LayerCache.write`. Layers that the registry has, in this image or another that was seen, are not sent."""
        self._look()
        if self._foreign:
            raise RegistryError(
                f"{self._name} is no cache and is not overwritten", hint="choose another name"
            )
        if self._image is None:
            info("Layer cache not found")
        known = set(self._image.diff_ids) - self._unusable if self._image else set()
        identified = [_identified(layer) if known else layer for layer in layers]
        if any(layer.diff_id not in known for layer in identified):
            # Before anything large is compressed.
            self._store.check_push([self._name])
        for layer in identified:
            info(f"{'Reusing' if layer.diff_id in known else 'Adding'} cache layer '{layer.created_by}'")
        # An image without layers is refused by some registries and readers.
        sent = identified or [_layer_without_files()]

        def config(diff_ids: Sequence[str]) -> bytes:
            return _config(diff_ids, describe(diff_ids[: len(layers)]))

        written = self._store.write_alone(
            sent, config, self._name, self._image, distrusted=self._unusable, doubt=self._damaged
        )
        return written.diff_ids[: len(layers)]

    def _look(self) -> None:
        if self._looked:
            return
        self._looked = True
        try:
            self._image = self._store.find(self._name)
            if self._image is not None:
                self._metadata = self._described(self._image)
        except (RegistryError, InvalidArchive, InvalidFile) as exc:
            self._damaged = True
            warn(f"the cache image {self._name} is not used: {exc}")

    def _described(self, image: StoredImage) -> CacheMetadata:
        label = image.labels.get(CACHE_METADATA)
        self._foreign = label is None
        if label is None:
            raise InvalidFile(f"{self._name} is an image, but no cache")
        return CacheMetadata.read(label.encode(), where=f"label of {self._name}")


def _proved(content: Iterator[bytes]) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:
        try:
            file.writelines(content)
        except OSError as exc:
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise UnusableLayer(f"no space left in {tempfile.gettempdir()} for a cached layer") from exc
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece


def _identified(layer: Layer) -> Layer:
    """The layer with its diff ID: most are what they were, and hashing costs a fifth of compressing."""
    if layer.diff_id is not None:
        return layer
    passing = Hashing(layer.open())
    for _ in passing:
        pass
    return replace(layer, diff_id=passing.digest)


def _layer_without_files() -> Layer:
    return Layer(diff_id=None, size=len(_NO_FILES), open=lambda: iter([_NO_FILES]), created_by="")


def _config(diff_ids: Sequence[str], metadata: CacheMetadata) -> bytes:
    return model.encode_config(
        {
            "architecture": "",
            "created": _CREATED,
            "history": [{"created": _CREATED} for _ in diff_ids],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            "config": {"Labels": {CACHE_METADATA: metadata.write().decode()}},
        }
    )
