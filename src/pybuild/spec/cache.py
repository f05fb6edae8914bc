"""What a cache says of its layers: the JSON beside them, and the label of a cache image.

Specification: buildpack.md, "Cached Layers"; the shape is the Go lifecycle's, so that either can use the other's (GO-05).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from pybuild.spec.labels import BuildpackLayers
from pybuild.spec.names import check_text
from pybuild.spec.toml import Table

CACHE_METADATA = "io.buildpacks.lifecycle.cache.metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheMetadata:
    """`sbom`: diff ID of the layer with the cached layers' SBOMs, "" for none. `buildpacks`: those of the last group."""

    sbom: str = ""
    buildpacks: tuple[BuildpackLayers, ...] = ()

    @classmethod
    def read(cls, text: bytes, *, where: str) -> Self:
        """From the file or label. Raises `InvalidFile`, upon which the cache is an empty one."""
        document = gojson.loads(text, where=where)
        if not isinstance(document, dict):
            raise InvalidFile(f"{where}: expected an object, found {text[:20]!r}")
        table = Table({key: value for key, value in document.items() if value is not None}, file=where)
        sbom = table.table("sbom")
        return cls(
            sbom=check_text(sbom.text("sha"), sbom.place("sha")),
            buildpacks=tuple(BuildpackLayers.read(entry, "json") for entry in table.tables("buildpacks")),
        )

    def write(self) -> bytes:
        """The file, without the newline that ends it."""
        tree = Struct(
            sbom=Struct(sha=self.sbom),
            buildpacks=[entry.tree("json") for entry in self.buildpacks] or None,
        )
        return gojson.dumps(tree).encode()
