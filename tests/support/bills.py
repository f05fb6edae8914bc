"""The bills of materials of a real image: valid to the libraries of their formats, and all three with the same packages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FORMS = ("cdx", "spdx", "syft")


def check_bills(folder: Path, merged: Mapping[str, str], wanted: Sequence[str]) -> None:
    """Raise `AssertionError` for a document that is not valid, or a beginning of a package URL that none has.

    `folder`: what `pybuild sbom download` wrote; `merged`: what `pybuild sbom show` prints, by format.
    """
    texts = {form: [file.read_text("utf-8") for file in folder.rglob(f"sbom.{form}.json")] for form in FORMS}
    found = {form: {purl for text in texts[form] for purl in purls(text)} for form in FORMS}
    assert found["cdx"] == found["spdx"] == found["syft"]
    assert {*purls(merged["cyclonedx"])} == {*purls(merged["spdx"])} == found["cdx"]
    for prefix in wanted:
        assert any(purl.startswith(prefix) for purl in found["cdx"]), (
            f"{prefix} begins none of {sorted(found['cdx'])}"
        )
    for text in (*texts["cdx"], merged["cyclonedx"]):
        assert fault_of_cyclonedx(text) == ""
    for text in (*texts["spdx"], merged["spdx"]):
        assert fault_of_spdx(text) == ""


def fault_of_cyclonedx(text: str) -> str:
    """What the schema finds wrong with a document; empty for a valid one."""
    fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    return "" if fault is None else str(fault)


def fault_of_spdx(text: str) -> str:
    """What spdx-tools finds wrong with a document; empty for a valid one."""
    faults = validate_full_spdx_document(JsonLikeDictParser().parse(json.loads(text)))
    return "; ".join(fault.validation_message for fault in faults)


def purls(document: str) -> list[str]:
    """All package URLs that a document says, whatever its format."""
    return re.findall(r'"(pkg:[^"]+)"', document)
