"""An image store beside which the layers of app images are kept in a folder, so that none is fetched out of an image.

A Docker Engine gives a layer back only with the whole image around it; from the launch cache it comes at once.

Specification: platform.md, "analyzer" and "exporter" on `<launch-cache>`; GO-03.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.events import detail, warn
from pybuild.stores.api import UnusableLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pybuild.oci.reference import Reference
    from pybuild.stores.api import ImageStore, Layer, StoredImage, Written
    from pybuild.stores.tar_cache import TarCache


class LaunchCacheStore:
    """`store`, with `cache` before it. A cache that fails costs time only."""

    def __init__(self, store: ImageStore, cache: TarCache) -> None:
        self._store = store
        self.cache = cache

    def find(self, name: Reference | str) -> StoredImage | None:
        """See `ImageStore.find`."""
        return self._store.find(name)

    def write(
        self,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        names: Sequence[Reference],
        previous: StoredImage | None,
    ) -> Written:
        """See `ImageStore.write`. The new image's layers are the cache's afterwards, as far as it came to see them."""
        watched = [replace(layer, open=self._copying(layer.open)) for layer in layers]
        written = self._store.write(base, watched, make_config, names, previous)
        try:
            for diff_id in written.diff_ids[len(base.diff_ids) :]:
                self._keep(diff_id)
            self.cache.commit()
        except OSError as exc:
            warn(f"the launch cache could not be written: {exc.strerror}")
        return written

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        """See `ImageStore.read_layer`."""
        pieces = self.cache.read(diff_id)
        try:
            first = next(pieces, b"")
        except UnusableLayer as exc:
            detail(str(exc))
            yield from self._store.read_layer(image, diff_id)
            return
        yield first
        yield from pieces

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        """See `ImageStore.read_file`."""
        return self._store.read_file(image, path)

    def delete(self, image: StoredImage) -> None:
        """See `ImageStore.delete`."""
        self._store.delete(image)

    def _keep(self, diff_id: str) -> None:
        if not self.cache.has_staged(diff_id):
            try:
                # Hashed when it is read, which for most layers is never.
                self.cache.keep(diff_id, verify=False)
            except UnusableLayer as exc:
                # The store had it already, so its content never passed here.
                detail(str(exc))

    def _copying(self, open_: Callable[[], Iterable[bytes]]) -> Callable[[], Iterable[bytes]]:
        return lambda: self.cache.copying(open_())
