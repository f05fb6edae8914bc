"""`<layer>.toml`: what a layer is for and what its buildpack wants to know about it in the next build.

Specification: buildpack.md, "Layer Types" and "Layer Content Metadata".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from pybuild.spec import toml

if TYPE_CHECKING:
    from pybuild.spec.api import ApiVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerToml:
    """One layer's types and metadata. `metadata` None: there is none, unlike an empty table.

    The specification makes it a table; buildpacks that put something else there get it back as they left it.
    """

    launch: bool = False
    build: bool = False
    cache: bool = False
    metadata: Any = None

    @classmethod
    def read(cls, data: bytes, file: str, api: ApiVersion) -> Self:
        """From a buildpack that speaks Buildpack API `api`."""
        table = toml.load(data, file=file)
        misplaced = [key for key in ("launch", "build", "cache") if key in table.raw()]
        if misplaced:
            raise InvalidFile(
                f"{file}: {misplaced[0]}: belongs into the table [types] (Buildpack API {api})",
                hint=f"write [types] above {misplaced[0]}",
            )
        types = table.table("types")
        return cls(
            launch=types.flag("launch"),
            build=types.flag("build"),
            cache=types.flag("cache"),
            metadata=table.value("metadata"),
        )

    def write_restored(self) -> bytes:
        """The file as the restorer puts it back: without types, so that the buildpack has to decide anew."""
        return toml.dumps(Struct(metadata=self.metadata)).encode()

    def write(self) -> bytes:
        """The file as a buildpack writes it."""
        types = Struct(launch=self.launch, build=self.build, cache=self.cache)
        return toml.dumps(Struct(types=types, metadata=self.metadata)).encode()
