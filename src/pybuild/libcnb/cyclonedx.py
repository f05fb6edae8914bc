"""A bill of materials as CycloneDX 1.5 writes it in JSON: https://cyclonedx.org/docs/1.5/json/"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pybuild.libcnb import licence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.libcnb.sbom import Component


def document(components: Sequence[Component]) -> str:
    """The document; components in the order given."""
    value = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": [_component(component) for component in components],
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _component(component: Component) -> dict[str, Any]:
    optional = {
        "publisher": component.publisher,
        "description": component.description,
        "cpe": component.cpe,
        "hashes": [{"alg": name, "content": text} for name, text in sorted(component.hashes.items())],
        "licenses": _licences(component.licences),
        "externalReferences": [{"type": "website", "url": component.website}] if component.website else [],
    }
    return {
        "type": component.type,
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
        **{key: value for key, value in optional.items() if value},
    }


def _licences(texts: Sequence[str]) -> list[dict[str, Any]]:
    # The schema allows either several licences or a single expression.
    if len(texts) == 1 and not licence.is_id(texts[0]) and licence.is_expression(texts[0]):
        return [{"expression": texts[0]}]
    return [{"license": {"id" if licence.is_id(text) else "name": text}} for text in texts]
