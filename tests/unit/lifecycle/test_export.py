"""Export: what it refuses before anything is written, what it tells, and what it remembers for the next build."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import ExportError
from pybuild.oci import model
from pybuild.oci.reference import Reference
from pybuild.spec.api import ApiVersion
from support.images import FolderStore, Witness
from support.workshop import Workshop

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.lifecycle.cache import KeptLayer

LAYERS = """
for types in 'launch = true' 'cache = true' 'build = true' 'launch = true\\ncache = true'; do
    name=l$(printf "$types" | tr -dc a-z | sed 's/true//g'); mkdir -p $name; echo x > $name/f
    printf "[types]\\n$types\\n[metadata]\\nn = 1\\n" > $name.toml
done
mkdir -p none; echo > none.toml
echo '{}' > llaunchcache.sbom.cdx.json
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    store = FolderStore(tmp_path / "images")
    base = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    store.add("acme/run:1", model.encode_config(base))
    made = Workshop(
        env=LocalBuildEnv(), store=Witness(store), root=str(tmp_path / "root"), run_image="acme/run:1"
    )
    made.app({"f": "app"})
    return made


def test_what_the_next_build_may_believe_is_remembered(workshop: Workshop) -> None:
    """EXP-07, EXP-20, CCH-02, CCH-03"""
    workshop.buildpack("acme/go", LAYERS)

    exported = workshop.create().exported

    kept = exported.index.layers["acme/go"]
    in_image = {name: layer["sha"] for name, layer in workshop.metadata()["buildpacks"][0]["layers"].items()}

    def types(layer: KeptLayer) -> tuple[bool, bool, bool, bool]:
        return layer.launch, layer.cache, layer.stamp != "", layer.size > 0

    assert {name: types(layer) for name, layer in kept.items()} == {
        "lcache": (False, True, True, False),
        "llaunch": (True, False, False, True),
        "llaunchcache": (True, True, True, True),
    }
    assert {name: layer.diff_id for name, layer in kept.items() if layer.launch} == in_image
    assert {name: list(layer.sboms) for name, layer in kept.items()} == {
        "lcache": [],
        "llaunch": [],
        "llaunchcache": ["sbom.cdx.json"],
    }
    assert {layer.metadata["n"] for layer in kept.values()} == {1}
    assert exported.index.owner == "acme/app:1"
    assert exported.index.app is not None
    assert [diff_id for diff_id, _ in exported.index.app.layers] == [
        layer["sha"] for layer in workshop.metadata()["app"]
    ]


def test_a_layer_that_its_buildpack_dropped_is_forgotten(workshop: Workshop) -> None:
    """EXP-06"""
    workshop.buildpack("acme/go", LAYERS)
    workshop.create()
    workshop.buildpack("acme/go", "rm -f *.toml")

    exported = workshop.create().exported

    assert exported.index.layers == {"acme/go": {}}
    assert workshop.metadata()["buildpacks"][0]["layers"] == {}
    workshop.create()
    assert workshop.env.read_files([f"{workshop.places.layers}/acme_go/*/f"]) == {}


def test_every_layer_and_label_is_told(workshop: Workshop) -> None:
    workshop.buildpack("acme/go", LAYERS)

    workshop.create()

    assert set(workshop.decided("added")) == {
        "acme/go:llaunch",
        "acme/go:llaunchcache",
        "app:",
        "buildpacksio/lifecycle:launch.sbom",
        "buildpacksio/lifecycle:launcher",
        "buildpacksio/lifecycle:config",
    }
    told = [event.text for event in workshop.heard if isinstance(event, events.Info)]
    assert "no default process type" in told
    assert "Adding label 'io.buildpacks.lifecycle.metadata'" in told
    written = [event for event in workshop.heard if isinstance(event, events.ImageWritten)]
    assert [(event.names, event.changed) for event in written] == [(("acme/app:1",), True)]


@pytest.mark.parametrize("file", ["l.toml", "store.toml"])
def test_metadata_that_no_label_can_hold_is_an_error_before_anything_is_read(
    workshop: Workshop, file: str
) -> None:
    workshop.buildpack(
        "acme/go", f"echo '[types]\nlaunch = true' > l.toml; mkdir l; echo '[metadata]\nx = nan' >> {file}"
    )

    with pytest.raises(ExportError, match=f"{file}.*: its metadata cannot be kept in the image: nan"):
        workshop.create()

    assert workshop.store.opened == []
    assert workshop.store.find(Reference.parse(workshop.name)) is None


@pytest.mark.parametrize("api", range(7, 16))
def test_every_platform_api_can_be_exported_for(workshop: Workshop, api: int) -> None:
    """LBL-05, LBL-06: the run image's name stands in one label for old platforms and in two for new ones."""
    workshop.buildpack("acme/go", LAYERS)

    workshop.create(platform_api=ApiVersion(0, api))

    label = workshop.metadata()
    assert label["stack"]["runImage"] == {"image": "acme/run:1"}
    assert label["runImage"].get("image") == ("acme/run:1" if api >= 12 else None)
    assert f"CNB_PLATFORM_API=0.{api}" in workshop.image()["Env"]
