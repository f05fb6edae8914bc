"""Bills of materials of an image: read, selected, merged by the libraries of the formats."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from pybuild import events
from pybuild.errors import InvalidFile, InvalidInput
from pybuild.platform.images.sbom import Selection, image_sbom, packages, save
from pybuild.platform.images.sbom_merge import merged
from support.layouts import MANIFEST, layer_of
from support.sbom_images import image_with_sbom

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pybuild.platform.images.sbom import SbomDocument
    from support.registry import Registry

ALL = Selection()


@pytest.fixture
def found(tmp_path: Path) -> Sequence[SbomDocument]:
    return image_sbom(image_with_sbom(tmp_path / "image"), environ={})


def test_every_document_is_found_with_its_buildpack_and_layer(found: Sequence[SbomDocument]) -> None:
    assert {(each.owner, each.format) for each in found} == {
        (owner, form)
        for owner in ("pybuild/apt:packages", "acme/py:venv", "acme/py")
        for form in ("cyclonedx", "spdx", "syft")
    }


@pytest.mark.parametrize("form", ["cyclonedx", "spdx", "syft"])
def test_packages_are_read_from_any_format(found: Sequence[SbomDocument], form: str) -> None:
    listed = packages([each for each in found if each.format == form], ALL)

    assert [(each.name, each.version, each.type, each.owner) for each in listed] == [
        ("@scope/x", "2", "npm", "acme/py"),
        ("flask", "3.0", "pypi", "acme/py:venv"),
        ("jq", "1.6", "deb", "acme/py:venv"),
        ("jq", "1.6", "deb", "pybuild/apt:packages"),
    ]
    assert listed[2].licences == ("MIT",)


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(buildpack="acme/py"), ["@scope/x", "flask", "jq"]),
        (Selection(buildpack="apt"), ["jq"]),
        (Selection(type="DEB", buildpack="acme/py"), ["jq"]),
        (Selection(name="FL*"), ["flask"]),
        (Selection(name="x"), []),
        (Selection(buildpack="nobody"), []),
    ],
)
def test_packages_are_selected(found: Sequence[SbomDocument], selection: Selection, names: list[str]) -> None:
    assert [each.name for each in packages(found, selection)] == names


def test_a_merged_cyclonedx_is_valid_and_says_who_has_what(found: Sequence[SbomDocument]) -> None:
    text = merged("my:app", found, "cyclonedx", ALL)

    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    document = json.loads(text)
    owners = {
        component["name"]: sorted(each["value"] for each in component["properties"])
        for component in document["components"]
    }
    assert owners == {
        "@scope/x": ["acme/py"],
        "flask": ["acme/py:venv"],
        "jq": ["acme/py:venv", "pybuild/apt:packages"],
    }
    assert document["metadata"]["component"]["name"] == "my:app"
    assert document["components"][-1]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]


def test_a_merged_spdx_is_valid_and_has_each_package_once(found: Sequence[SbomDocument]) -> None:
    document = JsonLikeDictParser().parse(json.loads(merged("my:app", found, "spdx", ALL)))

    assert validate_full_spdx_document(document) == []
    assert [package.name for package in document.packages] == ["jq", "@scope/x", "flask"]


def test_a_merged_syft_has_each_artifact_once(found: Sequence[SbomDocument]) -> None:
    document = json.loads(merged("my:app", found, "syft", Selection(type="deb")))

    assert [each["purl"] for each in document["artifacts"]] == ["pkg:deb/debian/jq@1.6"]
    assert document["schema"]["version"]


@pytest.mark.parametrize("form", ["cyclonedx", "spdx", "syft"])
def test_merging_twice_gives_the_same_bytes(found: Sequence[SbomDocument], form: Any) -> None:
    assert merged("a", found, form, ALL) == merged("a", list(found), form, ALL)


def test_nothing_selected_is_still_a_valid_document(found: Sequence[SbomDocument]) -> None:
    nothing = Selection(name="nobody")

    assert (
        JsonStrictValidator(SchemaVersion.V1_5).validate_str(merged("a", found, "cyclonedx", nothing)) is None
    )
    spdx = JsonLikeDictParser().parse(json.loads(merged("a", found, "spdx", nothing)))
    assert validate_full_spdx_document(spdx) == []


def test_documents_are_saved_where_the_image_has_them(found: Sequence[SbomDocument], tmp_path: Path) -> None:
    save(found, tmp_path / "out")

    files = sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.json"))
    assert len(files) == 9
    assert files[0] == "layers/sbom/launch/acme_py/sbom.cdx.json"


def test_an_image_without_any_says_so(tmp_path: Path) -> None:
    word = image_with_sbom(tmp_path / "image", {"layers/sbom/launch/sbom.legacy.json": "null"})

    with pytest.raises(InvalidInput, match="has no bill of materials"):
        image_sbom(word, environ={})


def test_a_format_that_nobody_wrote_is_told(found: Sequence[SbomDocument]) -> None:
    with pytest.raises(InvalidInput, match="in the format spdx"):
        merged("a", [each for each in found if each.format != "spdx"], "spdx", ALL)


@pytest.mark.parametrize("content", ["", "[]", '{"components": [1, {"name": {}}]}', "{", '{"packages": 5}'])
def test_a_damaged_document_hides_nothing_else(tmp_path: Path, content: str) -> None:
    place = "layers/sbom/launch/acme_py"
    word = image_with_sbom(
        tmp_path / "image",
        {
            f"{place}/a/sbom.cdx.json": content,
            f"{place}/b/sbom.syft.json": '{"artifacts": [{"name": "y", "version": "1", "licenses": ["MIT"]}]}',
        },
    )

    with events.listening(lambda _: None):
        listed = packages(image_sbom(word, environ={}), ALL)

    assert [(each.name, each.licences) for each in listed if each.name] == [("y", ("MIT",))]


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_a_document_that_is_not_valid_cannot_be_merged_and_is_named(tmp_path: Path, form: Any) -> None:
    ending = {"cyclonedx": "cdx", "spdx": "spdx"}[form]
    word = image_with_sbom(
        tmp_path / "image",
        {f"layers/sbom/launch/acme_py/sbom.{ending}.json": '{"components": 3, "packages": 3}'},
    )

    with pytest.raises(InvalidFile, match=r"acme_py/sbom\.\w+\.json, by acme/py, is not valid"):
        merged("a", image_sbom(word, environ={}), form, ALL)


def test_a_path_that_leads_out_is_not_a_document(tmp_path: Path) -> None:
    word = image_with_sbom(
        tmp_path / "image",
        {
            "layers/sbom/launch/../../../../etc/sbom.cdx.json": "{}",
            "layers/sbom/launch/a/b/sbom.cdx.json": "{}",
        },
    )

    assert [each.path for each in image_sbom(word, environ={})] == ["layers/sbom/launch/a/b/sbom.cdx.json"]


def test_a_registry_is_asked_for_that_layer_alone(registry: Registry, tmp_path: Path) -> None:
    base = layer_of(base="x" * 1000)
    image_with_sbom(tmp_path / "image", below=[base])
    blobs = {file.name: file.read_bytes() for file in (tmp_path / "image/blobs/sha256").iterdir()}
    index = json.loads((tmp_path / "image/index.json").read_text())
    manifest = blobs[index["manifests"][0]["digest"].removeprefix("sha256:")]
    for content in blobs.values():
        registry.put_blob("acme/app", content)
    registry.put_manifest("acme/app", "1", MANIFEST, manifest)

    found = image_sbom(f"{registry.host}/acme/app:1", environ={}, remote=True, insecure=[registry.host])

    lower, upper = (layer["digest"] for layer in json.loads(manifest)["layers"])
    asked = registry.asked("GET")
    assert len(found) == 9
    assert any(upper in path for path in asked)
    assert not any(lower in path for path in asked)
