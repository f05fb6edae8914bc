"""What an image layout holds: its index, the image that is meant, blobs that are what they are called.

Specification: OCI image-spec, "Image Layout", "Image Index"; annotations: "Pre-Defined Annotation Keys", and the one
by which containerd keeps whole names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild.errors import InvalidArchive, InvalidFile, InvalidReference
from pybuild.oci import model
from pybuild.oci.digest import is_digest, sha256
from pybuild.oci.reference import Reference
from pybuild.stores import image_manifest
from pybuild.stores.files import read
from pybuild.stores.image_manifest import IMAGES, INDEXES, MAX_MANIFEST, Manifest, Platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pybuild.gojson import Struct
    from pybuild.stores.files import Files

INDEX_FILE = "index.json"
LAYOUT_FILE = "oci-layout"
REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"
_NOT_RUN = "unknown"  # the platform of what builders put beside images: attestations


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of the index. `value`: the descriptor as it is written."""

    value: Struct

    @property
    def digest(self) -> str:
        """Of a manifest or of another index."""
        return str(self.value["digest"])

    @property
    def is_image(self) -> bool:
        """Whether an image or an index of images is there, not something else that registries keep."""
        platform = self.value.get("platform") or {}
        return self.value["mediaType"] in (*IMAGES, *INDEXES) and platform.get("os") != _NOT_RUN

    @property
    def name(self) -> str:
        """What it is called: its whole name, where one is written down, else its tag or whatever stands for it."""
        notes = self.value.get("annotations") or {}
        full = _parsed(notes.get(FULL_NAME, ""))
        return full.familiar if full else str(notes.get(FULL_NAME) or notes.get(REF_NAME, ""))

    def is_called(self, name: Reference | str) -> bool:
        """Whether it goes by that name, or, where no whole name is known, by its tag."""
        notes = self.value.get("annotations") or {}
        full, short = notes.get(FULL_NAME, ""), notes.get(REF_NAME, "")
        if isinstance(name, str):
            return name in (self.digest, full, short) or (bool(full) and _parsed(full) == _parsed(name))
        if full:
            return _parsed(full) == name
        return bool(short) and short in (name.tag, name.familiar, name.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An image of a layout, and all names that it goes by."""

    manifest: Manifest
    names: tuple[str, ...]


class LayoutIndex:
    """One look at a layout. `platform`: which image is meant where there are several."""

    def __init__(self, files: Files, platform: Platform) -> None:
        self._files, self._platform = files, platform

    def exists(self) -> bool:
        """Whether a layout is there."""
        return self._files.size(LAYOUT_FILE) is not None or self._files.size(INDEX_FILE) is not None

    def entries(self) -> list[Entry]:
        """All items of the index. Raises `InvalidArchive` if this is no layout, or a damaged one."""
        where = self._files.where
        version = self._object(LAYOUT_FILE).get("imageLayoutVersion")
        if not isinstance(version, str) or version.partition(".")[0] != "1":
            raise InvalidArchive(
                f"{where}: {LAYOUT_FILE} has the imageLayoutVersion {str(version)[:40]!r}, expected 1.0.0"
            )
        items = self._object(INDEX_FILE).get("manifests")
        if not isinstance(items, list):
            raise InvalidArchive(f"{where}: {INDEX_FILE} has no list of manifests")
        return [self._entry(item, f"{where}: {INDEX_FILE}: manifests[{at}]") for at, item in enumerate(items)]

    def find(self, name: Reference | str) -> Found | None:
        """The image of that name, tag, or manifest's digest; of "" the only one there is. None if none is called so."""
        entries = [entry for entry in self.entries() if entry.is_image]
        meant = [entry for entry in entries if not name or entry.is_called(name)]
        if not meant and not name:
            raise InvalidArchive(f"{self._files.where} holds no image")
        if not meant:
            return None
        entry = self._one_of(meant)
        names = (each.name for each in entries if each.digest == entry.digest)
        return Found(manifest=self.manifest(entry), names=tuple(filter(None, names)))

    def manifest(self, entry: Entry) -> Manifest:
        """The image that an item of the index leads to, perhaps through an index of platforms."""
        value = entry.value
        if value["mediaType"] in INDEXES:
            where = f"{self._files.where}: {value['digest']}"
            content = self._described(value, where)
            chosen = image_manifest.choose(content, self._platform, where)
            inner = next(item for item in content["manifests"] if item.get("digest") == chosen)
            value = self._entry(inner, where).value
        where = f"{self._files.where}: {value['digest']}"
        content = self._described(value, where)
        return image_manifest.checked(value["mediaType"], value["digest"], content, self._config, where=where)

    def blob(self, digest: str, size: int) -> Iterator[bytes]:
        """Content of that digest and size; `InvalidArchive` at its end if it is another."""
        name, where = blob_name(digest), self._files.where
        found = self._files.size(name)
        if found is None:
            raise InvalidArchive(f"{where}: the blob {digest} is missing")
        if found != size:
            raise InvalidArchive(f"{where}: the blob {digest} has {found} bytes, expected {size}")
        sha = hashlib.sha256()
        for piece in self._files.pieces(name):
            sha.update(piece)
            yield piece
        if f"sha256:{sha.hexdigest()}" != digest:
            raise InvalidArchive(f"{where}: the blob {digest} has other content than its digest says")

    def holds(self, digest: str, size: int) -> bool:
        """Whether a blob of that size is there under that digest."""
        return self._files.size(blob_name(digest)) == size

    def _one_of(self, entries: list[Entry]) -> Entry:
        if len({entry.digest for entry in entries}) == 1:
            return entries[0]
        if all(entry.value.get("platform") for entry in entries):
            chosen = image_manifest.choose(
                {"manifests": [entry.value for entry in entries]}, self._platform, self._files.where
            )
            return next(entry for entry in entries if entry.digest == chosen)
        named = ", ".join(entry.name or entry.digest for entry in entries[:20])
        raise InvalidArchive(
            f"{self._files.where} holds several images: {named}", hint="say which one: oci:FOLDER:TAG"
        )

    def _described(self, value: Struct, where: str) -> Mapping[str, Any]:
        """The JSON that a descriptor leads to, which must be of its media type."""
        body = b"".join(self.blob(value["digest"], _bounded(value["size"], where)))
        content = image_manifest.read_object(body, where)
        said = content.get("mediaType", value["mediaType"])
        if said != value["mediaType"]:
            raise InvalidArchive(
                f"{where} has the media type {str(said)[:80]!r}, the index says {value['mediaType']!r}"
            )
        return content

    def _config(self, digest: str, size: int, where: str) -> bytes:
        return b"".join(self.blob(digest, _bounded(size, where)))

    def _object(self, name: str) -> Mapping[str, Any]:
        where = self._files.where
        content = read(self._files, name, most=MAX_MANIFEST)
        if content is None:
            raise InvalidArchive(
                f"{where} is no OCI image layout: it has no {name}",
                hint=f"ls {where}; see also docker-archive:",
            )
        return image_manifest.read_object(content, f"{where}: {name}")

    def _entry(self, item: object, where: str) -> Entry:
        try:
            value = model.descriptor(item, where=where)
        except InvalidFile as exc:
            raise InvalidArchive(str(exc)) from exc
        if not is_digest(value["digest"]) or value["size"] < 0:
            raise InvalidArchive(f"{where} has no digest or size")
        return Entry(value)


def blob_name(digest: str) -> str:
    """The file of a blob, below the layout."""
    algorithm, _, digits = digest.partition(":")
    return f"blobs/{algorithm}/{digits}"


def described(media_type: str, content: bytes) -> dict[str, Any]:
    """A descriptor of `content`."""
    return {"mediaType": media_type, "size": len(content), "digest": sha256(content)}


def _bounded(size: int, where: str) -> int:
    if size > MAX_MANIFEST:
        raise InvalidArchive(f"{where} is larger than {MAX_MANIFEST >> 20} MiB: no image's manifest is")
    return size


def _parsed(text: str) -> Reference | None:
    try:
        return Reference.parse(text)
    except InvalidReference:
        return None
