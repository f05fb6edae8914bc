"""Which layers an image gets and where their bytes come from, beyond what the contract of `create` shows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuildError, ExportError
from pybuild.lifecycle.image_layers import ImageLayer, ImageLayers, LauncherSource
from pybuild.oci import model, tar
from pybuild.oci.reference import Reference
from pybuild.spec.api import ApiVersion
from pybuild.stores.api import Layer
from support.images import FolderStore, Witness
from support.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pybuild.buildenv.api import Listing

LAYER = (
    "mkdir -p dist; echo content > dist/file; printf '[types]\\nlaunch = true\\ncache = true\\n' > dist.toml"
)
WEB = 'printf \'[[processes]]\\ntype = "web"\\ncommand = ["serve"]\\n\' > launch.toml'


class Stampless(LocalBuildEnv):
    """A place that cannot tell whether anything changed, as one with busybox's find."""

    def scan(self, roots: Sequence[str]) -> list[Listing]:
        return [replace(listing, stamp="") for listing in super().scan(roots)]


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


def contents(workshop: Workshop, diff_id: str) -> dict[str, bytes]:
    image = workshop.store.find(Reference.parse(workshop.name))
    assert image is not None
    read = tar.read(workshop.store.read_layer(image, diff_id))
    return {member.name.decode(): body.read() for member, body in read}


def test_layers_stand_in_the_specified_order_and_are_told_apart_by_value() -> None:
    """GO-24"""

    def layer(name: str) -> ImageLayer:
        content = Layer(diff_id=None, size=0, open=lambda: iter(()), created_by=name)
        return ImageLayer(owner="x", name=name, layer=content)

    layers = ImageLayers(
        buildpacks={("b", "1"): layer("b1"), ("a", "2"): layer("a2")},
        sbom=layer("sbom"),
        app=(layer("app1"), layer("app2")),
        launcher=layer("launcher"),
        config=layer("config"),
        process_types=layer("types"),
    )

    names = [each.name for each in layers.ordered]
    assert names == ["b1", "a2", "sbom", "app1", "app2", "launcher", "config", "types"]
    known = layers.known_as([f"sha of {name}" for name in names])
    assert known[layers.config] == "sha of config"
    assert known[layers.buildpacks["a", "2"]] == "sha of a2"
    less = replace(layers, sbom=None, process_types=None)
    assert [each.name for each in less.ordered] == ["b1", "a2", "app1", "app2", "launcher", "config"]


def test_our_own_launcher_is_made_for_the_app(workshop: Workshop) -> None:
    """EXP-11"""
    workshop.buildpack("acme/web", WEB)

    workshop.create()

    launcher = contents(workshop, workshop.metadata()["launcher"]["sha"])
    assert list(launcher) == ["/cnb", "/cnb/lifecycle", "/cnb/lifecycle/launcher"]
    assert launcher["/cnb/lifecycle/launcher"].startswith(b"#!/bin/sh\n")


def test_the_builders_launcher_is_read_once_for_each_builder(workshop: Workshop) -> None:
    workshop.buildpack("acme/web", WEB)
    path = f"{workshop.root}/cnb/lifecycle/launcher"
    workshop.put({path: "binary"})
    source = LauncherSource(path=path, key="sha256:builder")
    workshop.create(launcher=source)
    layer = contents(workshop, workshop.metadata()["launcher"]["sha"])
    assert layer["/cnb/lifecycle/launcher"] == b"binary"

    # Nobody looks at the file again while the builder is the same.
    workshop.put({path: "another"})
    assert not workshop.create(launcher=source).exported.written.changed

    workshop.create(launcher=replace(source, key="sha256:other"))
    layer = contents(workshop, workshop.metadata()["launcher"]["sha"])
    assert layer["/cnb/lifecycle/launcher"] == b"another"


def test_a_builders_launcher_that_is_no_file_is_an_error(workshop: Workshop) -> None:
    workshop.buildpack("acme/web", WEB)

    with pytest.raises(ExportError, match=r"launcher /nowhere/launcher is no regular file below 64 MiB"):
        workshop.create(launcher=LauncherSource(path="/nowhere/launcher"))


def test_without_processes_there_are_no_links_to_the_launcher(workshop: Workshop) -> None:
    """EXP-11"""
    workshop.buildpack("acme/go", LAYER)

    workshop.create()

    assert workshop.metadata()["process-types"] == {"sha": ""}


@pytest.mark.parametrize(("api", "there"), [(7, False), (8, True)])
def test_sboms_are_a_layer_since_platform_api_08(workshop: Workshop, api: int, there: bool) -> None:
    """EXP-08"""
    workshop.buildpack("acme/go", f"{LAYER}; echo '{{}}' > dist.sbom.cdx.json")

    workshop.create(platform_api=ApiVersion(0, api))

    assert ("sbom" in workshop.metadata()) == there


def test_where_nothing_can_be_stamped_layers_are_made_anew_and_found_to_be_the_same(
    workshop: Workshop,
) -> None:
    """Slower, never wrong."""
    workshop.env = Stampless()
    workshop.buildpack("acme/go", f"{LAYER}; ls > ../seen")
    workshop.create()

    again = workshop.create().exported

    assert not again.written.changed
    assert workshop.decided("dropped") == {"acme/go:dist": "nothing here could tell whether it changed"}
    assert workshop.decided("reused")["acme/go:dist"] == (
        "the same contents as before, though nothing here can tell whether files of it changed"
    )


def test_a_changed_owner_of_a_parent_is_a_changed_layer(workshop: Workshop) -> None:
    """Owners and modes of the folders above stand in the tar too."""
    workshop.buildpack(
        "acme/go",
        LAYER.replace(
            "mkdir -p dist; echo content > dist/file", "[ -d dist ] || { mkdir dist; echo x > dist/f; }"
        ),
    )
    workshop.create()
    workshop.env.script(f"chmod 711 {workshop.places.layers}/acme_go")

    exported = workshop.create().exported

    assert workshop.decided("restored") == {"acme/go:dist": ""}
    assert "acme/go:dist" in workshop.decided("added")
    assert exported.written.changed
    workshop.store.thorough = True
    assert not workshop.create().exported.written.changed


def test_another_build_user_means_other_layers(workshop: Workshop) -> None:
    """The stamps are the same: the files have not changed, only whose they will be."""
    workshop.buildpack(
        "acme/go",
        LAYER.replace(
            "mkdir -p dist; echo content > dist/file", "[ -d dist ] || { mkdir dist; echo x > dist/f; }"
        ),
    )
    before = workshop.create().exported.written

    class Other(LocalBuildEnv):
        """The same user for all but the owners of what is exported."""

        def __init__(self) -> None:
            super().__init__()
            self.gid += 1

    workshop.env = Other()
    workshop.store.thorough = True
    after = workshop.create().exported.written

    assert after.changed
    assert set(before.diff_ids[:1]).isdisjoint(after.diff_ids)


def test_a_setuid_file_is_kept_and_told(workshop: Workshop) -> None:
    """S-31"""
    workshop.buildpack("acme/go", f"{LAYER}; chmod 4755 dist/file")

    workshop.create()

    warned = [event.text for event in workshop.heard if isinstance(event, events.Warned)]
    assert any("dist/file will run with its owner's rights" in text for text in warned)


def test_two_layers_with_equal_contents_are_two_layers(workshop: Workshop) -> None:
    workshop.buildpack("acme/go", LAYER)
    workshop.buildpack("acme/og", LAYER)

    workshop.create()
    again = workshop.create().exported

    assert not again.written.changed
    assert len(workshop.metadata()["buildpacks"]) == 2


def test_a_layer_that_is_a_file_is_an_error_of_the_build(workshop: Workshop) -> None:
    workshop.buildpack("acme/go", "touch dist; printf '[types]\\nlaunch = true\\n' > dist.toml")

    with pytest.raises(BuildError, match="must be a directory"):
        workshop.create()
