"""A bill of materials as SPDX 2.3 writes it in JSON: https://spdx.github.io/spdx-spec/v2.3/"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from pybuild.libcnb import licence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.libcnb.sbom import Component

# The same for all, as every time stamp in an image: SPDX wants one, and a clock would make each build another image.
CREATED = "1980-01-01T00:00:01Z"
# A name, not an address: nothing is asked for there.
NAMESPACE = "https://spdx.org/spdxdocs/pybuild"
NOTHING = "NOASSERTION"

_ALGORITHMS = ("MD5", "SHA1", "SHA256", "SHA384", "SHA512")


def document(subject: str, components: Sequence[Component]) -> str:
    """The document about `subject`; packages in the order given. Its namespace comes from what it says."""
    packages = [_package(component) for component in components]
    content = json.dumps([subject, packages], ensure_ascii=False)
    value = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": subject,
        "documentNamespace": f"{NAMESPACE}-{hashlib.sha256(content.encode()).hexdigest()}",
        "creationInfo": {"created": CREATED, "creators": ["Tool: pybuild"]},
        "packages": packages,
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": described,
            }
            for described in [package["SPDXID"] for package in packages] or ["NONE"]
        ],
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _package(component: Component) -> dict[str, Any]:
    declared = _declared(component.licences)
    references = [("PACKAGE-MANAGER", "purl", component.purl), ("SECURITY", "cpe23Type", component.cpe)]
    sums = {name.replace("-", ""): text for name, text in component.hashes.items()}
    optional = {
        "supplier": f"Organization: {component.publisher}" if component.publisher else "",
        "homepage": component.website,
        "summary": component.description,
        "licenseComments": ", ".join(component.licences) if declared == NOTHING else "",
        "checksums": [
            {"algorithm": name, "checksumValue": sums[name]} for name in _ALGORITHMS if name in sums
        ],
    }
    return {
        "SPDXID": f"SPDXRef-Package-{_identifier(component)}",
        "name": component.name,
        "versionInfo": component.version,
        "downloadLocation": NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": NOTHING,
        "licenseDeclared": declared,
        "copyrightText": NOTHING,
        "externalRefs": [
            {"referenceCategory": category, "referenceType": kind, "referenceLocator": text}
            for category, kind, text in references
            if text
        ],
        **{key: text for key, text in optional.items() if text},
    }


def _identifier(component: Component) -> str:
    """Letters, digits, dots and dashes; two components never share one."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", f"{component.name}-{component.version}").strip("-")
    return f"{readable}-{hashlib.sha256(component.purl.encode()).hexdigest()[:12]}"


def _declared(licences: Sequence[str]) -> str:
    if not licences or not all(licence.is_id(text) or licence.is_expression(text) for text in licences):
        return NOTHING
    return " AND ".join(
        text if licence.is_id(text) or len(licences) == 1 else f"({text})" for text in licences
    )
