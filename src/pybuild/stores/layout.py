"""Images in an OCI image layout, which is a folder or a tar of one.

Specification: OCI image-spec, "Image Layout".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive, InvalidReference
from pybuild.oci.digest import is_digest
from pybuild.oci.reference import Reference
from pybuild.stores import compress, peek
from pybuild.stores.api import StoredImage
from pybuild.stores.assemble import Assembly, Form, Held
from pybuild.stores.coming import Coming, locked
from pybuild.stores.files import Folder
from pybuild.stores.image_manifest import Platform
from pybuild.stores.layout_index import INDEX_FILE, LayoutIndex
from pybuild.stores.layout_write import held_layers, index_text, make_layout, refuse_digests, settle, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pybuild.stores.api import ImageReader, Layer, Written
    from pybuild.stores.files import Files
    from pybuild.stores.image_manifest import Manifest
    from pybuild.stores.layout_index import Found


def never(name: Reference | None) -> bool:  # noqa: ARG001
    """No image is the lender's."""
    return False


class LayoutReader:
    """The images of one layout, to look at. `platform`: which image of an index is meant.

    An image's `id` is its manifest's digest. `lender`: another place, which has the images for whose name
    (None for an id) `lends` is true.
    """

    def __init__(
        self,
        files: Files,
        *,
        platform: Platform | None = None,
        lender: ImageReader | None = None,
        lends: Callable[[Reference | None], bool] = never,
    ) -> None:
        self.where = files.where
        self.index = LayoutIndex(files, platform or Platform())
        self.lender = lender
        self._lends = lends
        self.known: dict[str, Manifest] = {}

    def find(self, name: Reference | str) -> StoredImage | None:
        """The image of that name, tag or digest (of the manifest, or of the configuration); "": the only image."""
        if self.lender is not None and self.is_lent(name):
            return self.lender.find(name)
        found = self.index.find(name)
        if found is None and isinstance(name, str) and is_digest(name):
            found = self._by_config(name)
        return None if found is None else self._stored(found)

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        """See `ImageStore.read_layer`. The blob's digest is checked, too."""
        if image.id not in self.known and self.lender is not None:
            yield from self.lender.read_layer(image, diff_id)
            return
        manifest = self.known.get(image.id)
        layer = manifest.layers.get(diff_id) if manifest else None
        if layer is None:
            raise InvalidArchive(f"{self.where} has no image {image.id} with the layer {diff_id}")
        yield from compress.unpack(self.index.blob(layer["digest"], layer["size"]), diff_id=diff_id)

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        """See `ImageStore.read_file`; 1 MiB at most. Reads layers from the top until it is found."""
        if image.id not in self.known and self.lender is not None:
            return self.lender.read_file(image, path)
        return peek.read_file(image.diff_ids, partial(self.read_layer, image), path)

    def close(self) -> None:
        """Free what it holds: nothing, for a folder."""

    def is_lent(self, name: Reference | str) -> bool:
        """Whether it is the lender's image that goes by this name."""
        return self.lender is not None and self._lends(_parsed(name))

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
            names=found.names,
            size=sum(layer["size"] for layer in manifest.value["layers"] or ()),
            config_digest=manifest.value["config"]["digest"],
        )


class LayoutStore(LayoutReader):
    """The images of a layout in a folder, which is made when it is needed.

    `form`: how new images are written down. What was there stays: only a name moves from image to image.
    """

    def __init__(
        self,
        path: Path,
        *,
        platform: Platform | None = None,
        lender: ImageReader | None = None,
        lends: Callable[[Reference | None], bool] = never,
        form: Form | None = None,
    ) -> None:
        super().__init__(Folder(path), platform=platform, lender=lender, lends=lends)
        self.path = path
        self._form = form or Form()

    def find(self, name: Reference | str) -> StoredImage | None:
        """See `ImageStore.find`. Where there is no layout yet, no image is."""
        return super().find(name) if self.index.exists() or self.is_lent(name) else None

    def write(
        self,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        names: Sequence[Reference],
        previous: StoredImage | None,  # noqa: ARG002 - every image of the layout serves
    ) -> Written:
        """See `ImageStore.write`. `sent_bytes`: of layers, compressed. Other images of the layout stay."""
        refuse_digests(names)
        make_layout(self.path, self.index)
        with Coming(self.path) as coming:
            held = Held(index=self.index, layers=held_layers(self.index))
            done = Assembly(coming, self._form, [held], self.lender).carry_out(base, layers, make_config)
            changed = settle(coming, self.path, self.index, done, names)
        self.known[done.manifest.digest] = done.manifest
        return written(done, changed=changed)

    def delete(self, image: StoredImage) -> None:
        """See `ImageStore.delete`. Takes away the names only: blobs may be other images', too."""
        with Coming(self.path) as coming, locked(self.path):
            kept = [entry for entry in self.index.entries() if entry.digest != image.id]
            coming.move(INDEX_FILE, index_text(kept), self.path)


def _parsed(name: Reference | str) -> Reference | None:
    if isinstance(name, Reference):
        return name
    try:
        return Reference.parse(name)
    except InvalidReference:
        return None
