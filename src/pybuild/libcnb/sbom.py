"""A bill of materials in CycloneDX 1.5 JSON: the same text for the same components, whenever it is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MEDIA_TYPE = "application/vnd.cyclonedx+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One thing in a layer. `purl` is a package URL and identifies it."""

    name: str
    version: str
    purl: str
    description: str = ""
    publisher: str = ""
    homepage: str = ""

    def value(self) -> dict[str, Any]:
        """The component as CycloneDX writes it."""
        optional = {"publisher": self.publisher, "description": self.description}
        return {
            "type": "library",
            "bom-ref": self.purl,
            **{key: text for key, text in optional.items() if text},
            "name": self.name,
            "version": self.version,
            "purl": self.purl,
            **({"externalReferences": [{"type": "website", "url": self.homepage}]} if self.homepage else {}),
        }


def cyclonedx(components: Iterable[Component]) -> str:
    """The document, components by package URL, without time stamps or serial numbers."""
    unique = {component.purl: component for component in components}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": [unique[purl].value() for purl in sorted(unique)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
