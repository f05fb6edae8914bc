"""JSON texts as the Go lifecycle wrote them: GO-43 to GO-45, LBL."""

from __future__ import annotations

from typing import Any

import pytest

from pybuild import gojson
from pybuild.spec import toml
from pybuild.spec.api import BUILDPACK_APIS, ApiVersion
from pybuild.spec.labels import (
    LauncherIdentity,
    LayerMetadata,
    LifecycleMetadata,
    ProjectMetadata,
    build_metadata,
)
from pybuild.spec.launch import Metadata
from pybuild.spec.layer import LayerToml
from support.golden import cases, untagged

pytestmark = pytest.mark.golden


def of_an_image(case: dict[str, Any]) -> bool:
    return case["kind"] in {"image-config", "manifest"}


@pytest.mark.parametrize("case", cases("json", only=lambda case: not of_an_image(case)))
def test_json_is_written_as_it_was_recorded(case: dict[str, Any]) -> None:
    if "error" in case["expected"]:
        with pytest.raises(ValueError, match="no JSON form"):
            written(case)
        return

    assert written(case) == case["expected"]["text"]


def written(case: dict[str, Any]) -> str:
    if case["kind"] == "lifecycle-metadata-label":
        return LifecycleMetadata.read(case["input_label_text"]).write()
    value = untagged(case["value"])
    match case["kind"]:
        case "value":
            return gojson.dumps(value)
        case "build-metadata-label":
            metadata = Metadata.read(toml.dumps(value).encode(), "metadata.toml")
            platform_api = ApiVersion.parse(case["platform_api"])
            return build_metadata(metadata, platform_api, LauncherIdentity(**case["launcher"]))
        case "project-metadata-label":
            return ProjectMetadata.read(toml.dumps(value).encode(), "project-metadata.toml").write()
        case "layer-data":
            layer = LayerToml.read(toml.dumps(value).encode(), "layer.toml", BUILDPACK_APIS[-1])
            tree = LayerMetadata(
                data=layer.metadata, build=layer.build, launch=layer.launch, cache=layer.cache
            ).tree("json")
            del tree["sha"]
            return gojson.dumps(tree)
    raise AssertionError(f"unknown kind {case['kind']}")
