"""A folder of image layouts, one for each name, as the lifecycle's `-layout` has them.

An image is `PATH@sha256:…`, its layout's folder and its manifest's digest. Written in the form of the Go lifecycle:
the manifest is of the base's kind and bears the tag as an annotation. Layers that the base's layout lacks, because it
is a sparse one, are lacking in the new one, too.

Specification: platform.md, "Map an image reference to a path in the layout directory" (GEN-11); GO-27, GO-34.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.errors import ExportError, InvalidArchive
from pybuild.events import detail, info
from pybuild.oci import model
from pybuild.oci.digest import is_digest
from pybuild.oci.reference import Reference
from pybuild.stores.assemble import Assembly, Form, Held
from pybuild.stores.coming import Coming, locked
from pybuild.stores.files import Folder
from pybuild.stores.layout import LayoutReader
from pybuild.stores.layout_index import REF_NAME
from pybuild.stores.layout_write import (
    entry,
    held_layers,
    make_layout,
    place_blobs,
    place_index,
    refuse_digests,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pybuild.gojson import Struct
    from pybuild.stores.api import Layer, StoredImage, Written
    from pybuild.stores.assemble import Assembled
    from pybuild.stores.image_manifest import Manifest, Platform


class LayoutDirStore:
    """The images in the layouts below `folder`, by their names; or in any layout, by its path and digest."""

    def __init__(self, folder: Path, *, platform: Platform | None = None) -> None:
        self.folder = folder
        self._platform = platform
        self._readers: dict[str, LayoutReader] = {}

    def find(self, name: Reference | str) -> StoredImage | None:
        """See `ImageStore.find`. `name` may be an image's `reference`, too, or only the path in it."""
        path, digest = self._located(name)
        reader = LayoutReader(Folder(path), platform=self._platform)
        if not reader.index.exists():
            return None
        found = reader.find(digest)
        if found is None:
            return None
        image = replace(found, reference=f"{path}@{found.id}")
        self._readers[image.reference] = reader
        return image

    def write(
        self,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        names: Sequence[Reference],
        previous: StoredImage | None,
    ) -> Written:
        """See `ImageStore.write`. Each name has a layout of its own, which holds nothing but the new image afterwards."""
        refuse_digests(names)
        first, *others = (self.folder / name.layout_path for name in names)
        below = self._known(base)
        form = Form(
            manifest_type=below.media_type,
            config_type=below.value["config"]["mediaType"],
            layer_type=model.DOCKER_LAYER,
            annotations={**(below.value.get("annotations") or {}), REF_NAME: names[0].tag},
            sparse=True,
        )
        info(f"Saving {first}...")
        reader = self._made(first)
        held = [
            Held(index=reader.index, layers=_layers(reader)),
            *map(self._held, filter(None, (previous, base))),
        ]
        with Coming(first) as coming:
            done = Assembly(coming, form, held, None).carry_out(base, layers, make_config)
            changed = _settle(coming, first, reader, done, form)
        copied = replace(done, held={layer["digest"]: reader.index for layer in done.layers})
        for path in others:
            info(f"Saving {path}...")
            other = self._made(path)
            with Coming(path) as coming:
                changed = _settle(coming, path, other, copied, form) or changed
        return written(done, changed=changed)

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        """See `ImageStore.read_layer`."""
        return self._reader(image).read_layer(image, diff_id)

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        """See `ImageStore.read_file`."""
        return self._reader(image).read_file(image, path)

    def delete(self, image: StoredImage) -> None:
        """See `ImageStore.delete`. Takes away the name only."""
        path = Path(image.reference.rpartition("@")[0])
        reader = self._reader(image)
        with Coming(path) as coming, locked(path):
            old = reader.index.entries()
            place_index(coming, path, old, [each for each in old if each.digest != image.id])

    def _located(self, name: Reference | str) -> tuple[Path, str]:
        """The folder of a layout, and the digest of the image in it, "" for its only one."""
        if isinstance(name, Reference):
            return self.folder / name.layout_path, ""
        path, at, digest = name.rpartition("@")
        if at and path.startswith("/") and is_digest(digest):
            return Path(path), digest
        if name.startswith("/"):
            return Path(name), ""
        return self.folder / Reference.parse(name).layout_path, ""

    def _made(self, path: Path) -> LayoutReader:
        """The layout at `path`, made if it is missing. Layouts of longer names may lie in its folder."""
        reader = LayoutReader(Folder(path), platform=self._platform)
        make_layout(path, reader.index, alone=False)
        return reader

    def _reader(self, image: StoredImage) -> LayoutReader:
        reader = self._readers.get(image.reference)
        if reader is None:
            raise InvalidArchive(f"{image.reference or image.id} is no image in a layout")
        return reader

    def _known(self, image: StoredImage) -> Manifest:
        found = self._reader(image).known.get(image.id)
        if found is None:
            raise ExportError(f"the run image {image.reference} has not been looked at")
        return found

    def _held(self, image: StoredImage) -> Held:
        return Held(index=self._reader(image).index, layers=self._known(image).layers)


def _layers(reader: LayoutReader) -> dict[str, Struct]:
    """What is in the new image's own place; a damaged one has nothing."""
    try:
        return held_layers(reader.index)
    except InvalidArchive as exc:
        detail(f"nothing of it is used again: {exc}")
        return {}


def _settle(coming: Coming, path: Path, reader: LayoutReader, done: Assembled, form: Form) -> bool:
    place_blobs(coming, path, reader.index, done)
    with locked(path):
        new = [entry(done, {REF_NAME: form.annotations[REF_NAME]})]
        return place_index(coming, path, reader.index.entries(), new)
