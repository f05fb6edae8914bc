"""Analyzing: the run image and the previous image, from a store of images in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pybuild import events
from pybuild.errors import AnalyzeError
from pybuild.lifecycle.analyze import Analysis, analyze
from pybuild.oci import model
from pybuild.oci.reference import Reference
from pybuild.spec.labels import LIFECYCLE_METADATA
from pybuild.spec.target import Distro, Target
from pybuild.stores.api import StoredImage
from support.images import FolderStore

if TYPE_CHECKING:
    from pathlib import Path

APP = Reference.parse("acme/app")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    found = FolderStore(tmp_path)
    found.add("acme/run", image())
    return found


def image(labels: dict[str, str] | None = None, **changes: Any) -> bytes:
    base = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    return model.encode_config({**base, "config": {"Labels": labels or {}}, **changes})


def look(store: FolderStore) -> tuple[Analysis, list[events.Event]]:
    heard: list[events.Event] = []
    with events.listening(heard.append):
        return analyze(store, previous=APP, run_image="acme/run"), heard


def test_a_missing_previous_image_is_no_error(store: FolderStore) -> None:
    """ANA-11, ANA-05"""
    analysis, heard = look(store)

    assert (analysis.previous, analysis.metadata) == (None, None)
    assert heard == [events.Info('Image with name "acme/app:latest" not found')]


def test_a_missing_run_image_is_an_error_with_a_hint(store: FolderStore) -> None:
    with pytest.raises(AnalyzeError, match="the run image 'acme/none' was not found") as caught:
        analyze(store, previous=APP, run_image="acme/none")

    assert caught.value.exit_code == 32
    assert "docker pull acme/none" in caught.value.hint


def test_a_phase_may_go_on_without_its_run_image(store: FolderStore) -> None:
    """The Go lifecycle's analyzer does, in an engine: the exporter looks again (GO-55)."""
    stand_in = StoredImage(id="", config={"os": "linux", "architecture": "arm64"}, diff_ids=(), labels={})

    analysis = analyze(store, previous=APP, run_image="acme/none", absent=stand_in)

    assert analysis.run_image == stand_in
    assert analysis.target == Target(os="linux", arch="arm64")


def test_the_previous_images_label_is_read(store: FolderStore) -> None:
    store.add(
        "acme/app",
        image({LIFECYCLE_METADATA: '{"buildpacks":[{"key":"acme/go","version":"1","layers":{}}]}'}),
    )

    analysis, _ = look(store)

    assert analysis.metadata is not None
    assert analysis.metadata.layers_of("acme/go").version == "1"


@pytest.mark.parametrize(
    "label",
    [
        "",
        "{",
        "[]",
        "null",
        '{"buildpacks": 5}',
        '{"buildpacks":[{"key":"../../etc","layers":{}}]}',
        '{"buildpacks":[{"key":"a","layers":{"../x":{}}}]}',
        '{"app":[{"sha":5}]}',
        "[" * 100_000,
    ],
)
def test_a_label_that_cannot_be_read_costs_only_the_reuse(store: FolderStore, label: str) -> None:
    """S-28, GO-72: whoever wrote it."""
    store.add("acme/app", image({LIFECYCLE_METADATA: label}))

    analysis, heard = look(store)

    assert analysis.previous is not None
    assert analysis.metadata is None
    assert [type(event) for event in heard] == [events.Warned]


def test_an_image_without_the_label_is_no_reason_to_warn(store: FolderStore) -> None:
    store.add("acme/app", image())

    analysis, heard = look(store)

    assert (analysis.metadata, [type(event) for event in heard]) == (None, [events.Detail])


def test_the_target_is_what_the_run_image_says(store: FolderStore) -> None:
    """ANT-04, IMG-03"""
    labels = {
        "io.buildpacks.base.distro.name": "debian",
        "io.buildpacks.base.distro.version": "12",
        "io.buildpacks.base.id": "acme.base",
    }
    store.add("acme/run", image(labels, variant="v8", architecture="arm64"))

    assert look(store)[0].target == Target(
        os="linux", arch="arm64", variant="v8", distro=Distro(name="debian", version="12"), id="acme.base"
    )


def test_a_target_without_labels_has_no_distribution(store: FolderStore) -> None:
    assert look(store)[0].target.distro is None
