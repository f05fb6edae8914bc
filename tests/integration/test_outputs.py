"""`pybuild build --output`: one build into engine, registry, layout and archives, each read back by who it is for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidInput, RegistryError
from pybuild.oci.digest import sha256
from pybuild.stores.places import open_place
from support.buildpacks import SERVE_WITH_LAYER
from support.cli import result

if TYPE_CHECKING:
    from pathlib import Path

    import docker

    from support.cli import Lab, Outcome
    from support.registry import Registry

pytestmark = pytest.mark.docker


def build(lab: Lab, name: str, *words: str) -> Outcome:
    options = ("--builder", lab.builder, "--network", "none", "--no-color", "--json")
    return lab.run("build", name, *options, "--buildpack", lab.buildpack(build=SERVE_WITH_LAYER), *words)


def _layers(place: str) -> list[str]:
    """The digests of the contents of all layers there, as they are read."""
    store, name = open_place(place)
    image = store.find(name)
    assert image is not None
    found = [sha256(b"".join(store.read_layer(image, diff_id))) for diff_id in image.diff_ids]
    assert found == list(image.diff_ids)
    return found


def test_one_build_goes_to_all_places_and_is_one_image_everywhere(
    lab: Lab, engine: docker.APIClient, registry: Registry, tmp_path: Path
) -> None:
    """The engine that loads the archive knows the image that it built itself."""
    layout, oci, docker_file = tmp_path / "layout", tmp_path / "oci.tar", tmp_path / "new/docker.tar"
    remote = f"{registry.host}/acme/app:1"
    outputs = [
        "type=docker",
        f"type=registry,dest={remote}",
        f"type=oci,dest={layout}",
        f"type=oci-archive,dest={oci}",
        f"type=docker-archive,dest={docker_file}",
    ]
    words = [word for output in outputs for word in ("--output", output)]

    first = build(lab, lab.name(), *words)
    made = result(first)
    again = result(build(lab, lab.name(), *words))

    places = made["outputs"]
    assert isinstance(places, list)
    assert [each["type"] for each in places] == ["docker", "registry", "oci", "oci-archive", "docker-archive"]
    assert {each["image_id"] for each in places} == {made["image_id"]}
    assert first.stderr.count("'bin/build'") <= 1
    assert isinstance(again["outputs"], list)
    assert [each["changed"] for each in again["outputs"]] == [False] * 5
    assert [each["sent_bytes"] for each in again["outputs"]] == [0] * 5
    contents = [
        _layers(place)
        for place in (
            f"registry:{remote}",
            f"oci:{layout}:latest",
            f"oci-archive:{oci}",
            f"docker-archive:{docker_file}",
        )
    ]
    assert contents == [contents[0]] * 4
    assert registry.manifest("acme/app", "1")["config"]["digest"] == made["image_id"]
    engine.remove_image(lab.name(), force=True)
    with docker_file.open("rb") as file:
        said = "".join(str(each) for each in engine.load_image(file))
    assert lab.name() in said
    assert engine.inspect_image(lab.name())["Id"] == made["image_id"]
    assert lab.output_of() == "an app\n"


def test_an_image_can_go_to_disk_only_and_be_built_upon(
    lab: Lab, engine: docker.APIClient, tmp_path: Path
) -> None:
    """Nothing of it comes into the engine, and later builds use what is in the file."""
    path = tmp_path / "app.tar"
    words = ("--output", f"type=oci-archive,dest={path}", "--tag", f"{lab.name()}:2")

    first = build(lab, lab.name(), *words)
    (lab.app / "file.txt").write_text("another app\n")
    second = result(build(lab, lab.name(), *words))

    assert result(first)["changed"] is True
    assert f"podman run --rm -p 8080:8080 oci-archive:{path}:latest" in first.stderr
    assert not engine.images(name=lab.name())
    assert second["layers"] != {"reused": 0, "added": second["layers"]["added"]}  # type: ignore[index]
    assert 0 < int(str(second["sent_bytes"])) < 2000
    store, _ = open_place(f"oci-archive:{path}")
    image = store.find("2")
    assert image is not None
    assert store.read_file(image, "/workspace/file.txt") == b"another app\n"


def test_a_second_place_that_fails_does_not_spoil_the_first(
    lab: Lab, engine: docker.APIClient, registry: Registry, tmp_path: Path
) -> None:
    """F-07 for a further place: the image is where it could be put, and the error says where it is not."""
    registry.fail("PUT", "/manifests/", status=400, times=100)
    layout = tmp_path / "layout"
    words = [
        word
        for output in (
            "type=docker",
            f"type=registry,dest={registry.host}/acme/app",
            f"type=oci,dest={layout}",
        )
        for word in ("--output", output)
    ]

    outcome = build(lab, lab.name(), *words)

    outcome.failed(
        RegistryError.exit_code,
        f"the image is in docker:{lab.name()}:latest, oci:{layout}, but not in registry:{registry.host}/acme/app",
    )
    assert engine.inspect_image(lab.name())
    assert _layers(f"oci:{layout}")


def test_a_folder_with_other_things_is_told_before_the_build(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("precious")

    outcome = build(lab, lab.name(), "--output", f"type=oci,dest={tmp_path}")

    outcome.failed(InvalidInput.exit_code, str(tmp_path), "no OCI image layout", "notes")
    assert "DETECTING" not in outcome.stderr


def test_damage_in_the_old_layout_is_one_clear_error_and_nothing_is_lost(lab: Lab, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    words = ("--output", f"type=oci,dest={layout}")
    result(build(lab, lab.name(), *words))
    index = json.loads((layout / "index.json").read_text())
    (layout / "index.json").write_text(json.dumps(index)[:-20])

    outcome = build(lab, lab.name(), *words)

    outcome.failed(InvalidInput.exit_code, "index.json")
    (layout / "index.json").write_text(json.dumps(index))
    assert _layers(f"oci:{layout}")
