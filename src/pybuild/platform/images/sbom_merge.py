"""One bill of materials of many, in the format that is asked for: the same bytes for the same image.

CycloneDX and SPDX are read and written by the libraries of these projects, imported here and nowhere else: they take a
third of a second.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from pybuild.errors import InvalidFile, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pybuild.platform.images.sbom import Format, SbomDocument, Selection

# As everything in an image; a clock would make each merging another document.
CREATED = dt.datetime(1980, 1, 1, 0, 0, 1, tzinfo=dt.UTC)
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_TOOL = "pybuild"
_OWNER = "pybuild:owner"
"""The property of a CycloneDX component that says which buildpack's layer has it."""


def merged(image: str, documents: Iterable[SbomDocument], format_: Format, selection: Selection) -> str:
    """All documents of that format as one, about `image`, with what is selected.

    Raises `InvalidFile` for one that is not valid, and `InvalidInput` when there is none.
    """
    chosen = [each for each in documents if each.format == format_ and selection.has_document(each)]
    if not chosen:
        raise InvalidInput(
            f"the image {image} has no bill of materials in the format {format_}",
            hint="its buildpacks write others: leave out --format to see what is in them",
        )
    serial = uuid.uuid5(_NAMESPACE, hashlib.sha256(b"".join(each.content for each in chosen)).hexdigest())
    return _WRITERS[format_](image, chosen, selection, serial)


def _cyclonedx(image: str, documents: Sequence[SbomDocument], selection: Selection, serial: uuid.UUID) -> str:
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot5

    whole: dict[str, Component] = {}
    for document in documents:
        try:
            bom = Bom.from_json(dict(document.read()))  # type: ignore[attr-defined]
        except Exception as exc:
            raise _unreadable(document, exc) from exc
        for component in bom.components:
            purl = str(component.purl or "")
            if not selection.has(component.name, purl):
                continue
            kept = whole.setdefault(purl or f"{component.name}@{component.version}", component)
            kept.properties.add(Property(name=_OWNER, value=document.owner))
    root = Component(name=image, type=ComponentType.CONTAINER, bom_ref=f"image:{image}")
    result = Bom(
        components=whole.values(),
        serial_number=serial,
        metadata=BomMetaData(component=root, timestamp=CREATED),
    )
    result.register_dependency(root, whole.values())
    return str(JsonV1Dot5(result).output_as_string(indent=2)) + "\n"


def _spdx(image: str, documents: Sequence[SbomDocument], selection: Selection, serial: uuid.UUID) -> str:
    # It tells of its own business on the root logger.
    logging.getLogger("spdx_tools").setLevel(logging.ERROR)
    from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
    from spdx_tools.spdx.model import (
        Actor,
        ActorType,
        CreationInfo,
        Document,
        Relationship,
        RelationshipType,
        SpdxNone,
    )
    from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser

    packages: dict[str, Any] = {}
    for document in documents:
        try:
            read = JsonLikeDictParser().parse(dict(document.read()))
        except Exception as exc:
            raise _unreadable(document, exc) from exc
        for package in read.packages:
            purl = next(
                (each.locator for each in package.external_references if each.reference_type == "purl"), ""
            )
            if selection.has(package.name, purl):
                key = purl or f"{package.name}@{package.version}"
                package.spdx_id = f"SPDXRef-Package-{hashlib.sha256(key.encode()).hexdigest()[:20]}"
                package.files_analyzed = False
                packages.setdefault(key, package)
    result = Document(
        creation_info=CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id="SPDXRef-DOCUMENT",
            name=image,
            document_namespace=f"urn:uuid:{serial}",
            creators=[Actor(ActorType.TOOL, _TOOL)],
            created=CREATED.replace(tzinfo=None),
        ),
        packages=[packages[key] for key in sorted(packages)],
        relationships=[
            Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, packages[key].spdx_id)
            for key in sorted(packages)
        ]
        or [Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, SpdxNone())],
    )
    return json.dumps(DocumentConverter().convert(result), indent=2, ensure_ascii=False) + "\n"


def _syft(image: str, documents: Sequence[SbomDocument], selection: Selection, serial: uuid.UUID) -> str:
    # Syft has no library for Python; its documents are lists of artifacts.
    artifacts: dict[str, Any] = {}
    first: dict[str, Any] = {}
    for document in documents:
        value = dict(document.read())
        first = first or value
        found = value.get("artifacts")
        for each in found if isinstance(found, list) else ():
            if isinstance(each, dict) and selection.has(str(each.get("name", "")), str(each.get("purl", ""))):
                artifacts.setdefault(str(each.get("purl") or each.get("id")), each)
    value = {
        "artifacts": [artifacts[key] for key in sorted(artifacts)],
        "artifactRelationships": [],
        "source": {
            "id": serial.hex,
            "name": image,
            "version": "",
            "type": "image",
            "metadata": {"userInput": image},
        },
        "distro": first.get("distro") or {},
        "descriptor": {"name": _TOOL, "version": "1"},
        "schema": first.get("schema") or {},
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


_WRITERS: dict[Format, Callable[[str, Sequence[SbomDocument], Selection, uuid.UUID], str]] = {
    "cyclonedx": _cyclonedx,
    "spdx": _spdx,
    "syft": _syft,
}


def _unreadable(document: SbomDocument, exc: Exception) -> InvalidFile:
    reason = str(exc).split("\n")[0][:200]
    return InvalidFile(
        f"{document.path}, by {document.owner}, is not valid {document.format}: {type(exc).__name__}: {reason}",
        hint="--output-dir without --merge writes it as it is",
    )
