"""Builder images as values: BTM-05, IMG-01, GO-93."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pybuild.errors import BuilderUnusable
from pybuild.spec import builder as labels
from pybuild.spec.api import ApiVersion
from pybuild.spec.builder import Builder
from pybuild.spec.order import ModuleRef
from pybuild.spec.run_image import RunImageName
from pybuild.spec.target import Distro

ORDER = [{"group": [{"id": "a/x", "version": "1"}, {"id": "a/y", "version": "2", "optional": True}]}]
METADATA = {
    "description": "words",
    "buildpacks": [],
    "stack": {"runImage": {"image": "acme/run", "mirrors": None}},
    "lifecycle": {"version": "0.21.0", "apis": {"buildpack": {"deprecated": [], "supported": ["0.10"]}}},
    "createdBy": {"name": "Pack CLI", "version": "0.40"},
}


def config(*env: str) -> dict[str, Any]:
    return {"os": "linux", "architecture": "arm64", "config": {"Env": ["PATH=/bin", *env]}}


def read(changed: dict[str, Any] | None = None, *env: str) -> Builder:
    values: dict[str, Any] = {
        labels.ORDER: ORDER,
        labels.METADATA: METADATA,
        labels.LAYERS: {"a/x": {"1": {"api": "0.10", "layerDiffID": "sha256:1"}}, "a/y": {"2": {}}},
        labels.LIFECYCLE_APIS: {"platform": {"deprecated": ["0.7"], "supported": ["0.13"]}},
        **(changed or {}),
    }
    texts = {key: json.dumps(value) for key, value in values.items() if value != ""}
    texts |= {labels.DISTRO_NAME: "debian", labels.DISTRO_VERSION: "12", labels.STACK_ID: "st"}
    return Builder.read(
        "acme/b", "sha256:b", config(*(env or ("CNB_USER_ID=1000", "CNB_GROUP_ID=2000"))), texts
    )


def test_everything_a_platform_needs_is_read() -> None:
    found = read()

    assert (found.uid, found.gid) == (1000, 2000)
    assert (found.target.os, found.target.arch) == ("linux", "arm64")
    assert found.target.distro == Distro(name="debian", version="12")
    assert found.order == (
        (ModuleRef(id="a/x", version="1"), ModuleRef(id="a/y", version="2", optional=True)),
    )
    assert found.run_images == (RunImageName(image="acme/run"),)
    assert found.platform_apis == (ApiVersion(0, 7), ApiVersion(0, 13))
    assert found.buildpack_apis == (ApiVersion(0, 10),)
    assert (found.lifecycle_version, found.created_by, found.stack_id) == ("0.21.0", "Pack CLI", "st")
    assert found.versions("a/x") == ("1",)
    assert found.versions("a/z") == ()


def test_newer_builders_list_several_run_images() -> None:
    images = [{"image": "acme/run", "mirrors": ["ghcr.io/acme/run"]}, {"image": "acme/other"}]

    found = read({labels.METADATA: {**METADATA, "images": images}})

    assert found.run_images == (
        RunImageName(image="acme/run", mirrors=("ghcr.io/acme/run",)),
        RunImageName(image="acme/other"),
    )


def test_a_builder_without_order_label_leaves_the_order_open() -> None:
    assert read({labels.ORDER: ""}).order is None


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (("CNB_GROUP_ID=1000",), "does not set CNB_USER_ID"),
        (("CNB_USER_ID=1000",), "does not set CNB_GROUP_ID"),
        (("CNB_USER_ID=0", "CNB_GROUP_ID=0"), "other than root"),
        (("CNB_USER_ID=-1", "CNB_GROUP_ID=1"), "expected a number"),
        (("CNB_USER_ID=me", "CNB_GROUP_ID=1"), "expected a number"),
    ],
)
def test_an_image_that_names_no_build_user_is_no_builder(env: tuple[str, ...], message: str) -> None:
    """IMG-01."""
    with pytest.raises(BuilderUnusable, match=message) as caught:
        read(None, *env)

    assert "--builder" in caught.value.hint


@pytest.mark.parametrize(
    "changed",
    [
        {labels.ORDER: {"no": "array"}},
        {labels.METADATA: ["no object"]},
        {labels.LAYERS: {"../../etc": {"1": {}}, "a b": {"1": {}}}},
        {labels.LAYERS: {"a/x": {"../1": {}}}},
        {labels.METADATA: {**METADATA, "images": [{"image": ""}]}},
        {labels.LIFECYCLE_APIS: {"platform": {"supported": ["new"]}}},
    ],
)
def test_labels_that_make_no_sense_are_refused_by_name(changed: dict[str, Any]) -> None:
    with pytest.raises(BuilderUnusable, match=r"acme/b cannot be used: label io\.buildpacks"):
        read(changed)
