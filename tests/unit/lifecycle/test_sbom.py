"""SBOM files of buildpacks: which count, where they go, and which formats are refused."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.lifecycle.sbom import MEDIA_TYPES, SbomFile, copies, legacy_sbom, sbom_files
from pybuild.spec.launch import BomEntry
from pybuild.spec.layer import LayerToml
from pybuild.spec.order import GroupElement

ALL = tuple(MEDIA_TYPES.values())
LAYERS = {
    "lay": LayerToml(launch=True),
    "both": LayerToml(launch=True, build=True, cache=True),
    "bld": LayerToml(build=True),
    "cch": LayerToml(cache=True),
    "non": LayerToml(),
    "a.b": LayerToml(launch=True),
}


@pytest.mark.parametrize(
    ("name", "layer", "destinations"),
    [
        ("launch.sbom.cdx.json", "", ("launch",)),
        ("build.sbom.spdx.json", "", ("build",)),
        ("lay.sbom.syft.json", "lay", ("launch",)),
        ("both.sbom.cdx.json", "both", ("launch", "cache")),
        ("bld.sbom.cdx.json", "bld", ("build",)),
        ("cch.sbom.cdx.json", "cch", ("build", "cache")),
        ("non.sbom.cdx.json", "non", ("build",)),
        ("a.b.sbom.cdx.json", "a.b", ("launch",)),
    ],
)
def test_a_layers_types_decide_where_its_sbom_goes(
    name: str, layer: str, destinations: tuple[str, ...]
) -> None:
    """BUI-12, GO-08."""
    (found,) = sbom_files([name], LAYERS, declared=ALL, directory="/layers/bp")

    assert (found.layer, found.destinations) == (layer, destinations)


def test_files_of_unknown_layers_and_other_files_count_for_nothing() -> None:
    names = [
        "orphan.sbom.cdx.json",
        "orphan.sbom.foo.json",
        "launch.toml",
        "launch.sbom.cdx.json.bak",
        "sbom.cdx.json",
    ]

    assert sbom_files(names, LAYERS, declared=(), directory="/layers/bp") == ()


@pytest.mark.parametrize(
    ("name", "declared", "message"),
    [
        ("launch.sbom.foo.json", ALL, "nobody knows the SBOM format 'foo.json'"),
        ("launch.sbom.cdx.json", ALL[1:], "do not declare application/vnd.cyclonedx"),
        ("lay.sbom.cdx.json", (), "do not declare application/vnd.cyclonedx"),
        ("launch.sbom.cdx.json", ("///",), "which is no media type"),
        ("launch.sbom.cdx.json", ("", ALL[0]), "which is no media type"),
    ],
)
def test_only_declared_formats_of_the_specification_are_taken(
    name: str, declared: tuple[str, ...], message: str
) -> None:
    """BUI-11, GO-70, F-28."""
    with pytest.raises(InvalidFile, match=message) as caught:
        sbom_files([name], LAYERS, declared=declared, directory="/layers/bp")

    assert f"/layers/bp/{name}" in str(caught.value)


@pytest.mark.parametrize(
    "declared",
    [
        "Application/VND.cyclonedx+json",
        "application/vnd.cyclonedx+json; version=1.4",
        " application/vnd.cyclonedx+json ",
    ],
)
def test_a_declared_media_type_may_have_parameters_and_any_case(declared: str) -> None:
    (found,) = sbom_files(["launch.sbom.cdx.json"], {}, declared=(declared,), directory="/l")

    assert found.ending == "cdx.json"


def test_an_sbom_is_copied_to_each_of_its_places() -> None:
    """BUI-13."""
    file = SbomFile(
        layer="lay", name="lay.sbom.cdx.json", ending="cdx.json", destinations=("launch", "cache")
    )
    whole = SbomFile(layer="", name="build.sbom.spdx.json", ending="spdx.json", destinations=("build",))

    assert copies("/layers", "acme/go", (file, whole)) == [
        ("/layers/acme_go/lay.sbom.cdx.json", "/layers/sbom/launch/acme_go/lay/sbom.cdx.json"),
        ("/layers/acme_go/lay.sbom.cdx.json", "/layers/sbom/cache/acme_go/lay/sbom.cdx.json"),
        ("/layers/acme_go/build.sbom.spdx.json", "/layers/sbom/build/acme_go/sbom.spdx.json"),
    ]


def test_the_deprecated_bom_is_kept_as_json() -> None:
    """GO-09, BLT-03."""
    owner = GroupElement(id="a", version="1", api="0.7", homepage="https://a.test")
    entries = [
        BomEntry(name="x", metadata={"b": 1, "a": "<"}, owner=owner),
        BomEntry(name="y", owner=owner),
    ]

    assert legacy_sbom([]) == "null\n"
    assert legacy_sbom(entries) == (
        '[{"name":"x","metadata":{"a":"\\u003c","b":1},"buildpack":{"id":"a","version":"1"}},'
        '{"name":"y","metadata":null,"buildpack":{"id":"a","version":"1"}}]\n'
    )
