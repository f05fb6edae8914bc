"""Images in an OCI image layout, which is a folder or a tar of one.

Specification: OCI image-spec, "Image Layout".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive
from pybuild.oci.digest import is_digest
from pybuild.stores import compress, peek
from pybuild.stores.api import StoredImage
from pybuild.stores.image_manifest import Platform
from pybuild.stores.layout_index import LayoutIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.oci.reference import Reference
    from pybuild.stores.files import Files
    from pybuild.stores.image_manifest import Manifest
    from pybuild.stores.layout_index import Found


class LayoutReader:
    """The images of one layout, to look at. `platform`: which image of an index is meant.

    An image's `id` is its manifest's digest.
    """

    def __init__(self, files: Files, *, platform: Platform | None = None) -> None:
        self._files = files
        self.index = LayoutIndex(files, platform or Platform())
        self.known: dict[str, Manifest] = {}

    def find(self, name: Reference | str) -> StoredImage | None:
        """The image of that name, tag or digest (of the manifest, or of the configuration); "": the only image."""
        found = self.index.find(name)
        if found is None and isinstance(name, str) and is_digest(name):
            found = self._by_config(name)
        return None if found is None else self._stored(found)

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        """See `ImageStore.read_layer`. The blob's digest is checked, too."""
        manifest = self.known.get(image.id)
        layer = manifest.layers.get(diff_id) if manifest else None
        if layer is None:
            raise InvalidArchive(f"{self._files.where} has no image {image.id} with the layer {diff_id}")
        yield from compress.unpack(self.index.blob(layer["digest"], layer["size"]), diff_id=diff_id)

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        """See `ImageStore.read_file`; 1 MiB at most. Reads layers from the top until it is found."""
        return peek.read_file(image.diff_ids, partial(self.read_layer, image), path)

    def _by_config(self, digest: str) -> Found | None:
        for entry in self.index.entries():
            found = self.index.find(entry.digest) if entry.is_image else None
            if found and found.manifest.value["config"]["digest"] == digest:
                return found
        return None

    def _stored(self, found: Found) -> StoredImage:
        manifest = found.manifest
        self.known[manifest.digest] = manifest
        return StoredImage(
            id=manifest.digest,
            config=manifest.config,
            diff_ids=manifest.diff_ids,
            labels=manifest.config["config"].get("Labels", {}),
            names=found.entry.names,
            size=sum(layer["size"] for layer in manifest.value["layers"] or ()),
            config_digest=manifest.value["config"]["digest"],
        )
