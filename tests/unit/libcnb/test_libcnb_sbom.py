"""Bills of materials: three documents that the well-kept libraries of each format take for valid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from pybuild.libcnb import licence, purl
from pybuild.libcnb.sbom import FORMATS, Component, documents
from pybuild.lifecycle.sbom import MEDIA_TYPES
from pybuild.platform.images.sbom_changes import read_sbom

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL = Component(
    name="flask",
    version="3.0.1",
    purl=purl.pypi("flask", "3.0.1"),
    type="framework",
    licences=("BSD-3-Clause",),
    cpe="cpe:2.3:a:palletsprojects:flask:3.0.1:*:*:*:*:*:*:*",
    hashes={"SHA-256": "ab" * 32, "SHA-512": "cd" * 64},
    description="A simple framework",
    publisher="Pallets <a@example.org>",
    homepage="https://palletsprojects.com/p/flask/",
    where="lib/python3.11/site-packages/flask-3.0.1.dist-info/METADATA",
)
ODD = Component(
    name="@sc/öd d",
    version="1:2~x+y",
    purl=purl.npm("@sc/öd d", "1:2~x+y"),
    licences=("Do what you want", "MIT"),
    homepage="see README",
)
CHOICE = Component(
    name="serde", version="1.0", purl=purl.cargo("serde", "1.0"), licences=("MIT OR Apache-2.0",)
)
SAMPLES = [(), (FULL,), (FULL, ODD, CHOICE)]


@pytest.mark.parametrize("components", SAMPLES, ids=len)
def test_cyclonedx_is_valid_for_its_schema(components: Sequence[Component]) -> None:
    text = documents("app", components)["cdx.json"]

    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None


@pytest.mark.parametrize("components", SAMPLES, ids=len)
def test_spdx_is_valid_for_spdx_tools(components: Sequence[Component]) -> None:
    document = JsonLikeDictParser().parse(json.loads(documents("app", components)["spdx.json"]))

    assert validate_full_spdx_document(document) == []
    assert [package.name for package in document.packages] == [
        component.name for component in sorted(components, key=lambda component: component.purl)
    ]


def test_syft_calls_packages_by_the_names_of_its_own() -> None:
    document = json.loads(documents("app", (FULL, ODD, CHOICE))["syft.json"])

    assert [(each["type"], each["language"], each["purl"]) for each in document["artifacts"]] == [
        ("rust-crate", "rust", "pkg:cargo/serde@1.0"),
        ("npm", "javascript", "pkg:npm/%40sc/%C3%B6d%20d@1:2~x%2By"),
        ("python", "python", "pkg:pypi/flask@3.0.1"),
    ]
    assert document["artifacts"][2]["locations"] == [{"path": FULL.where, "accessPath": FULL.where}]
    assert [each["spdxExpression"] for each in document["artifacts"][1]["licenses"]] == ["", "MIT"]
    assert "anchore/syft" in document["schema"]["url"]


def test_the_same_components_in_any_order_and_twice_make_the_same_bytes() -> None:
    assert documents("app", (FULL, CHOICE)) == documents("app", (CHOICE, FULL, CHOICE))


def test_our_own_reader_finds_the_components_in_all_three() -> None:
    found = {
        ending: read_sbom(text.encode(), digest="", format_=ending.removesuffix(".json")).components
        for ending, text in documents("app", (FULL, CHOICE)).items()
    }

    assert found == dict.fromkeys(MEDIA_TYPES, frozenset({"flask@3.0.1", "serde@1.0"}))
    assert tuple(MEDIA_TYPES.values()) == FORMATS


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("MIT", True),
        ("MIT OR Apache-2.0", True),
        ("(MIT OR Apache-2.0) AND ISC", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("MIT OR", False),
        ("MIT Apache-2.0", False),
        ("(MIT", False),
        ("MIT)", False),
        ("MIT WITH nothing", False),
        ("BSD", False),
        ("", False),
    ],
)
def test_a_licence_expression_is_made_of_known_identifiers(text: str, expression: bool) -> None:
    assert licence.is_expression(text) is expression


def test_halves_of_characters_and_odd_file_names_get_into_every_document() -> None:
    """JSON may have `\\ud800`, and a file any bytes for its name: neither can be written as UTF-8."""
    odd = Component(
        name="a\ud800",
        version="\ud800.0",
        purl=purl.npm("a\ud800", "\ud800.0"),
        licences=("M\udcffT",),
        description="\udfff",
        publisher="\udfff",
        where="lib/\udcff/METADATA",
    )

    made = documents("app", [odd])

    assert odd.purl == "pkg:npm/a%3F@%3F.0"
    for ending, text in made.items():
        assert json.loads(text.encode("utf-8")), ending
        assert "?.0" in text, ending
