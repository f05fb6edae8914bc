"""One image in one file: a tar of an OCI image layout, for `skopeo` and `podman`, or for `docker load`.

What `docker load` takes is a layout, too, with a manifest.json beside its index and layers that are not compressed,
as new engines save it and engines of all ages load it. Equal images make equal files, byte for byte.

Specification: OCI image-spec, "Image Layout"; Docker's image format 1.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild import gojson
from pybuild.errors import ExportError, InvalidArchive, SourceUnusable
from pybuild.events import detail
from pybuild.oci import tar
from pybuild.oci.digest import sha256
from pybuild.stores.assemble import PLAIN, Assembled, Assembly, Form, Held
from pybuild.stores.coming import Coming, writing
from pybuild.stores.files import Archive, read
from pybuild.stores.image_manifest import Platform
from pybuild.stores.layout import LayoutReader, never
from pybuild.stores.layout_index import INDEX_FILE, LAYOUT_FILE, LayoutIndex, blob_name
from pybuild.stores.layout_write import (
    LAYOUT_TEXT,
    entry,
    held_layers,
    index_text,
    named,
    refuse_digests,
    written,
)
from pybuild.stores.saved import MANIFEST_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pybuild.oci.reference import Reference
    from pybuild.stores.api import ImageReader, Layer, StoredImage, Written

_PIECE = 1 << 20


class ArchiveStore(LayoutReader):
    """An archive that holds the one image which was written last. `docker`: in the form for `docker load`;
    else `form`: how it is written down.

    The file is replaced as a whole, once the new one is complete. A file that is no such archive counts as empty.
    """

    def __init__(
        self,
        path: Path,
        *,
        docker: bool = False,
        platform: Platform | None = None,
        lender: ImageReader | None = None,
        lends: Callable[[Reference | None], bool] = never,
        form: Form | None = None,
    ) -> None:
        super().__init__(_Nothing(str(path)), platform=platform, lender=lender, lends=lends)
        self.path = path
        self._docker = docker
        self._form = PLAIN if docker else form or Form()
        self._platform = platform or Platform()
        self._look()

    def find(self, name: Reference | str) -> StoredImage | None:
        """See `ImageStore.find`."""
        return super().find(name) if self.index.exists() or self.is_lent(name) else None

    def write(
        self,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        names: Sequence[Reference],
        previous: StoredImage | None,  # noqa: ARG002 - the image in the archive serves
    ) -> Written:
        """See `ImageStore.write`. `sent_bytes`: of layers that were not in the archive before."""
        refuse_digests(names)
        folder = self.path.parent
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with Coming(folder) as coming:
            held = [Held(index=self.index, layers=held_layers(self.index))] if self.index.exists() else []
            done = Assembly(coming, self._form, held, self.lender).carry_out(base, layers, make_config)
            files = self._files(done, names)
            changed = not self._has(files, done)
            if changed:
                digest, _ = coming.add(self._tar(coming, done, files))
                coming.move(self.path.name, coming.blobs[digest], folder)
                self.close()
                self._look()
        self.known[done.manifest.digest] = done.manifest
        return written(done, changed=changed)

    def delete(self, image: StoredImage) -> None:
        """See `ImageStore.delete`. With its image the whole file goes."""
        if image.id in self.known:
            self.path.unlink(missing_ok=True)
            self.close()
            self._look()

    def close(self) -> None:
        """Close the old archive."""
        if self._old is not None:
            self._old.close()

    def _look(self) -> None:
        """See what is in the archive now."""
        self._old = _opened(self.path)
        self.index = LayoutIndex(self._old or _Nothing(self.where), self._platform)

    def _files(self, done: Assembled, names: Sequence[Reference]) -> dict[str, bytes]:
        """The small files, in their order."""
        files = {
            blob_name(sha256(done.config)): done.config,
            blob_name(done.manifest.digest): done.text,
            INDEX_FILE: index_text([named(done, name) for name in names] or [entry(done, {})]),
            LAYOUT_FILE: LAYOUT_TEXT,
        }
        if self._docker:
            image = {
                "Config": blob_name(sha256(done.config)),
                "RepoTags": [name.familiar for name in names],
                "Layers": [blob_name(layer["digest"]) for layer in done.manifest.value["layers"]],
            }
            files[MANIFEST_FILE] = gojson.dumps([image]).encode()
        return files

    def _has(self, files: Mapping[str, bytes], done: Assembled) -> bool:
        """Whether the old archive is the new one."""
        old = self._old
        return (
            old is not None
            and all(old.size(name) == len(content) for name, content in files.items())
            and all(read(old, name, most=len(content)) == content for name, content in files.items())
            and all(self.index.holds(layer["digest"], layer["size"]) for layer in done.layers)
        )

    def _tar(self, coming: Coming, done: Assembled, files: Mapping[str, bytes]) -> Iterator[bytes]:
        for folder in ("blobs", "blobs/sha256"):
            yield tar.header(tar.TarEntry(f"{folder}/".encode(), tar.DIRECTORY, 0o755, 0, 0))
        for layer in done.layers:
            digest, size = layer["digest"], layer["size"]
            made = coming.blobs.get(digest)
            yield from _entry(
                blob_name(digest), size, _content(made) if made else done.held[digest].blob(digest, size)
            )
        for name, content in files.items():
            yield from _entry(name, len(content), [content])
        yield tar.TRAILER


class _Nothing:
    """No files at all."""

    def __init__(self, where: str) -> None:
        self.where = where

    def size(self, name: str) -> int | None:  # noqa: ARG002
        return None

    def pieces(self, name: str, start: int = 0) -> Iterator[bytes]:  # noqa: ARG002
        raise InvalidArchive(f"{self.where}: {name} is missing")


def _opened(path: Path) -> Archive | None:
    """The archive that is there; None if nothing is, or something else. `ExportError` for what is no file at all."""
    if path.exists() and not path.is_file():
        raise ExportError(
            f"{path} is no regular file: an archive cannot be written there", hint="name a file"
        )
    try:
        archive = Archive.open(path)
        LayoutIndex(archive, Platform()).entries()
    except (InvalidArchive, SourceUnusable) as exc:
        detail(f"nothing of an older archive is used again: {exc}")
        return None
    return archive


def _entry(name: str, size: int, content: Iterable[bytes]) -> Iterator[bytes]:
    yield tar.header(tar.TarEntry(name.encode(), tar.FILE, 0o644, 0, 0, size))
    yield from content
    yield tar.padding(size)


def _content(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
