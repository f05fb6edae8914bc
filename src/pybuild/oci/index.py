"""Image indexes: several images under one name, one for each platform.

Specification: OCI image-spec, "Image Index"; Docker's "Manifest List", which is the same with other media types.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from pybuild import gojson
from pybuild.errors import InvalidFile, InvalidInput
from pybuild.gojson import Struct
from pybuild.oci import model
from pybuild.oci.digest import is_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DOCKER = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.index.v1+json"
FORMATS: Mapping[str, str] = {"oci": OCI, "docker": DOCKER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One image of an index. `size`: bytes of its manifest. `platform`: in OCI's keys, os and architecture first."""

    media_type: str
    digest: str
    size: int
    platform: Mapping[str, Any]
    annotations: Mapping[str, str]

    @classmethod
    def read(cls, value: object, where: str) -> Self:
        """From its descriptor. Raises `InvalidFile`."""
        found = model.descriptor(value, where=where)
        if not is_digest(found["digest"]) or found["size"] <= 0:
            raise InvalidFile(f"{where}: the descriptor has no digest or size")
        return cls(
            media_type=found["mediaType"],
            digest=found["digest"],
            size=found["size"],
            platform=dict(found.get("platform") or {}),
            annotations=dict(found.get("annotations") or {}),
        )

    def described(self) -> Struct:
        """Its descriptor."""
        return model.descriptor(
            {
                "mediaType": self.media_type,
                "size": self.size,
                "digest": self.digest,
                "annotations": self.annotations or None,
                "platform": self.platform or None,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index; `entries` in order."""

    media_type: str = OCI
    entries: tuple[Entry, ...] = ()
    annotations: Mapping[str, str] | None = None

    @classmethod
    def read(cls, data: bytes, where: str) -> Self:
        """From its text. Raises `InvalidFile`."""
        value = gojson.loads(data, where=where)
        if not isinstance(value, dict) or not isinstance(value.get("manifests"), list | None):
            raise InvalidFile(f"{where}: expected an index, with a list of manifests")
        media_type = value.get("mediaType") or OCI
        if media_type not in FORMATS.values():
            raise InvalidFile(f"{where}: the media type {str(media_type)[:80]!r} is no index's")
        entries = enumerate(value.get("manifests") or [])
        notes = value.get("annotations")
        return cls(
            media_type=media_type,
            entries=tuple(Entry.read(each, f"{where}: manifests[{at}]") for at, each in entries),
            annotations=notes if isinstance(notes, dict) else None,
        )

    def write(self) -> bytes:
        """Its text."""
        tree = Struct(
            schemaVersion=2,
            mediaType=self.media_type,
            manifests=[each.described() for each in self.entries],
        )
        if self.annotations:
            tree["annotations"] = dict(self.annotations)
        return gojson.dumps(tree).encode()

    def plus(self, entries: Sequence[Entry]) -> Self:
        """With these, too; one of the same digest is replaced."""
        new = {each.digest for each in entries}
        return replace(self, entries=(*(old for old in self.entries if old.digest not in new), *entries))

    def without(self, digest: str) -> Self:
        """Without that image. Raises `InvalidInput` if it is not there."""
        self.entry(digest)
        return replace(self, entries=tuple(each for each in self.entries if each.digest != digest))

    def entry(self, digest: str) -> Entry:
        """The image of that digest. Raises `InvalidInput` if it is not there."""
        for each in self.entries:
            if each.digest == digest:
                return each
        has = ", ".join(each.digest for each in self.entries) or "none"
        raise InvalidInput(f"the index has no image {digest}; it has {has}", hint="pybuild manifest inspect")

    def annotated(self, digest: str, *, platform: Mapping[str, str], annotations: Mapping[str, str]) -> Self:
        """With more said of one image. `platform`: what of it is another."""
        old = self.entry(digest)
        new = replace(
            old,
            platform={"architecture": "", "os": "", **old.platform, **platform},
            annotations={**old.annotations, **annotations},
        )
        return replace(self, entries=tuple(new if each is old else each for each in self.entries))
