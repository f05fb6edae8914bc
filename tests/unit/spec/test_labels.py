"""Labels of app images, in and out, also when somebody forged them: LBL, GO-43, GO-44, S-28."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybuild.errors import InvalidFile
from pybuild.spec.api import ApiVersion
from pybuild.spec.labels import (
    BuildpackLayers,
    LauncherIdentity,
    LayerMetadata,
    LifecycleMetadata,
    ProjectMetadata,
    RunImageOf,
    build_metadata,
)
from pybuild.spec.launch import Metadata, Process, StoreToml
from pybuild.spec.order import GroupElement
from pybuild.spec.run_image import RunImageName

METADATA = LifecycleMetadata(
    app=("sha256:1", "sha256:2"),
    sbom="sha256:3",
    buildpacks=(
        BuildpackLayers(
            id="acme/go",
            version="1",
            layers={
                "go": LayerMetadata(sha="sha256:4", data={"v": "1"}, build=True, launch=True, cache=True)
            },
            store=StoreToml(metadata={"s": "x"}),
        ),
        BuildpackLayers(id="acme/web", version="2", layers={}),
    ),
    config="sha256:5",
    launcher="sha256:6",
    process_types="sha256:7",
    run_image=RunImageOf(top_layer="sha256:8", reference="r", name=RunImageName(image="i", mirrors=("m",))),
    stack=RunImageName(image="i", mirrors=("m",)),
)


def test_a_label_reads_and_writes_the_same() -> None:
    assert LifecycleMetadata.read(METADATA.write()) == METADATA
    assert LifecycleMetadata.read("{}") == LifecycleMetadata()


def test_keys_stand_in_the_order_of_the_go_lifecycle() -> None:
    keys = list(json.loads(METADATA.write()))

    assert keys == ["app", "sbom", "buildpacks", "config", "launcher", "process-types", "runImage", "stack"]


def test_the_layers_of_a_buildpack_are_found_by_its_id() -> None:
    assert METADATA.layers_of("acme/go") == METADATA.buildpacks[0]  # type: ignore[index]
    assert METADATA.layers_of("acme/other") == BuildpackLayers(id="acme/other")


def layer(name: str) -> dict[str, Any]:
    return {"buildpacks": [{"key": "a", "layers": {name: {}}}]}


@pytest.mark.parametrize(
    "label",
    [
        "",
        "garbage",
        "[]",
        "null",
        "[" * 100_000,
        '{"a":' * 100_000,
        "\x00\x01",
        layer("../../workspace/slip"),
        layer(".."),
        layer(""),
        layer("a\nb"),
        layer("a\0b"),
        layer("x" * 300),
        layer("launch"),
        {"buildpacks": [{"key": "../../../etc"}]},
        {"buildpacks": [{"key": "a\nb"}]},
        {"buildpacks": [{"key": 7}]},
        {"buildpacks": {"key": "a"}},
        {"buildpacks": [7]},
        {"buildpacks": [{"key": "a", "layers": ["l"]}]},
        {"buildpacks": [{"key": "a", "layers": {"l": 7}}]},
        {"buildpacks": [{"key": "a", "layers": {"l": {"launch": "yes"}}}]},
        {"buildpacks": [{"key": "a", "layers": {"l": {"sha": 7}}}]},
        {"buildpacks": [{"key": "a", "layers": {"l": {"sha": "sha256:/../../x"}}}]},
        {"buildpacks": [{"key": "a", "store": {"metadata": 7}}]},
        {"app": "x"},
        {"config": {"sha": "\n"}},
        {"runImage": {"mirrors": "m"}},
        {"runImage": {"topLayer": ["x"]}},
    ],
    ids=lambda label: repr(label)[:40],
)
def test_a_forged_label_is_refused(label: str | dict[str, Any]) -> None:
    text = label if isinstance(label, str) else json.dumps(label)

    with pytest.raises(InvalidFile, match=r"^io\.buildpacks\.lifecycle\.metadata: ") as caught:
        LifecycleMetadata.read(text)

    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "app",
                    "sha",
                    "buildpacks",
                    "key",
                    "layers",
                    "data",
                    "store",
                    "metadata",
                    "runImage",
                    "stack",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(JSON.map(json.dumps) | st.text(max_size=60))
def test_any_label_is_read_or_refused(text: str) -> None:
    try:
        found = LifecycleMetadata.read(text)
    except InvalidFile:
        return

    assert LifecycleMetadata.read(found.write()) == found


def test_unknown_keys_are_left_out_and_cases_do_not_matter() -> None:
    found = LifecycleMetadata.read('{"APP": [{"Sha": "x", "more": 1}], "other": {}}')

    assert found == LifecycleMetadata(app=("x",))


LAUNCHER = LauncherIdentity(version="1", repository="r", commit="c")


def built(platform_api: str, **fields: Any) -> dict[str, Any]:
    metadata = Metadata(
        processes=(Process(type="web", command=("sh", "-c"), buildpack_id="a", **fields),),
        buildpacks=(GroupElement(id="a", version="1", api="0.12", homepage="h"),),
        extensions=(GroupElement(id="e", version="2", api="0.12", extension=True, optional=True),),
    )
    found: dict[str, Any] = json.loads(build_metadata(metadata, ApiVersion.parse(platform_api), LAUNCHER))
    return found


def test_the_build_label_lists_modules_without_their_api() -> None:
    label = built("0.12")

    assert label["buildpacks"] == [{"id": "a", "version": "1", "homepage": "h"}]
    assert label["extensions"] == [{"id": "e", "version": "2"}]
    assert "bom" not in label
    assert built("0.8")["bom"] is None


def test_the_build_label_says_commands_as_the_platform_api_does() -> None:
    assert built("0.10")["processes"] == [
        {"type": "web", "command": ["sh", "-c"], "args": None, "direct": True, "buildpackID": "a"}
    ]
    assert built("0.9", args=("x",), working_dir="/w")["processes"] == [
        {
            "type": "web",
            "command": "sh",
            "args": ["-c", "x"],
            "direct": True,
            "buildpackID": "a",
            "working-dir": "/w",
        }
    ]


def test_project_metadata_goes_from_file_to_label() -> None:
    """LBL-08, PMT-01."""
    text = b'[source]\n  type = "git"\n  [source.version]\n    commit = "0f"\n'

    project = ProjectMetadata.read(text, "project-metadata.toml")

    assert project.write() == '{"source":{"type":"git","version":{"commit":"0f"}}}'
    assert project.write_toml() == text
    assert ProjectMetadata.read(b"", "project-metadata.toml").write() == "{}"
