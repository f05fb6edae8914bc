"""A bill of materials in the shape of Syft's own JSON, which Grype and others read.

https://github.com/anchore/syft/tree/main/schema/json: what scanners go by is in it, Syft's `metadata` of each kind of
package is not.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from pybuild.libcnb import licence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.libcnb.sbom import Component

SCHEMA = "16.0.3"

# What Syft calls packages, and their languages, by the type of their package URL.
_TYPES = {
    "deb": ("deb", ""),
    "pypi": ("python", "python"),
    "npm": ("npm", "javascript"),
    "golang": ("go-module", "go"),
    "maven": ("java-archive", "java"),
    "gem": ("gem", "ruby"),
    "cargo": ("rust-crate", "rust"),
    "composer": ("php-composer", "php"),
}


def document(subject: str, components: Sequence[Component]) -> str:
    """The document about `subject`; artifacts in the order given."""
    value = {
        "artifacts": [_artifact(component) for component in components],
        "artifactRelationships": [],
        "source": {
            "id": _digest(subject),
            "name": subject,
            "version": "",
            "type": "directory",
            "metadata": {"path": subject},
        },
        "distro": {},
        "descriptor": {"name": "pybuild", "version": "1"},
        "schema": {
            "version": SCHEMA,
            "url": f"https://raw.githubusercontent.com/anchore/syft/main/schema/json/schema-{SCHEMA}.json",
        },
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _artifact(component: Component) -> dict[str, Any]:
    kind = component.purl.removeprefix("pkg:").partition("/")[0]
    name, language = _TYPES.get(kind, ("UnknownPackage", ""))
    return {
        "id": _digest(component.purl)[:16],
        "name": component.name,
        "version": component.version,
        "type": name,
        "foundBy": "pybuild",
        "locations": [{"path": component.where, "accessPath": component.where}] if component.where else [],
        "licenses": [
            {
                "value": text,
                "spdxExpression": _expression(text),
                "type": "declared",
                "urls": [],
                "locations": [],
            }
            for text in component.licences
        ],
        "language": language,
        "cpes": [{"cpe": component.cpe, "source": "declared"}] if component.cpe else [],
        "purl": component.purl,
    }


def _expression(text: str) -> str:
    return text if licence.is_id(text) or licence.is_expression(text) else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
