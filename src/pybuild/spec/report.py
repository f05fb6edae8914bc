"""report.toml: what was exported, for whoever called.

Specification: platform.md, "report.toml".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.gojson import Struct
from pybuild.spec import toml

if TYPE_CHECKING:
    from pybuild.spec.launch import BomEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An image that was written, by build or rebase.

    `image_id`: a daemon's id, without `sha256:`. `digest` and `manifest_size` (bytes): of a registry's manifest.
    `bom`: the deprecated bill of materials, below Platform API 0.9 only.
    """

    tags: tuple[str, ...] = ()
    image_id: str = ""
    digest: str = ""
    manifest_size: int = 0
    bom: tuple[BomEntry, ...] = ()

    def write(self) -> bytes:
        """The file."""
        image = Struct(
            {
                "tags": list(self.tags) or None,
                "image-id": self.image_id or None,
                "digest": self.digest or None,
                "manifest-size": self.manifest_size or None,
            }
        )
        build = Struct(bom=[entry.tree() for entry in self.bom]) if self.bom else None
        return toml.dumps(Struct(build=build, image=image)).encode()
