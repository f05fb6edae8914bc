"""The default builder and its bases, made and used: BTM-01 to BTM-05, IMG-01 to IMG-06."""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pybuild import events
from pybuild.errors import BuilderUnusable
from pybuild.oci.reference import Reference
from pybuild.platform import ownership
from pybuild.platform.builders import bases
from pybuild.platform.builders.bootstrap import default_builder
from pybuild.platform.builders.builder import read_builder
from pybuild.platform.builders.builder_image import RUN_STATUS
from pybuild.platform.builders.recipe import Recipe
from pybuild.platform.buildpacks.shipped import shipped
from pybuild.stores.daemon import DaemonStore
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from pybuild.spec.builder import Builder

pytestmark = [pytest.mark.docker, pytest.mark.network, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def builder(engine: docker.APIClient) -> Builder:
    return read_builder(engine, default_builder(engine))


def run(engine: Any, image: str, *argv: str, user: str | None = None) -> str:
    """What a program in a throw-away container prints; it must exit with 0."""
    container = engine.create_container(image, entrypoint=list(argv), user=user)["Id"]
    try:
        engine.start(container)
        status = engine.wait(container)["StatusCode"]
        said = engine.logs(container).decode()
        assert status == 0, said
        return str(said)
    finally:
        engine.remove_container(container, force=True, v=True)


def test_asking_again_costs_next_to_nothing_and_changes_nothing(
    engine: docker.APIClient, builder: Builder
) -> None:
    heard: list[object] = []
    started = time.monotonic()

    with events.listening(heard.append):
        name = default_builder(engine)

    assert (name, heard) == (builder.name, [])
    assert read_builder(engine, name).image_id == builder.image_id
    assert time.monotonic() - started < allowed(2)


def test_the_builder_says_what_a_platform_must_know(builder: Builder) -> None:
    """BTM-05, IMG-01."""
    assert (builder.uid, builder.gid) == (1000, 1000)
    assert builder.order is not None
    groups = [[ref.id for ref in group] for group in builder.order]
    assert all(group[:2] == ["pybuild/ca-certificates", "pybuild/apt"] for group in groups)
    assert all(group[-2:] == ["pybuild/environment-variables", "pybuild/procfile"] for group in groups)
    assert ["pybuild/nodejs", "pybuild/nginx", "pybuild/php"] in [group[2:-2] for group in groups]
    assert groups[-1][2:-2] == []
    assert all(builder.versions(ref.id) == (ref.version,) for group in builder.order for ref in group)
    assert [image.image for image in builder.run_images] == ["pybuild/run:debian-12"]
    assert builder.target.distro is not None
    assert (builder.target.distro.name, builder.target.distro.version) == ("debian", "12")
    assert str(builder.platform_apis[-1]) == "0.15"
    metadata = json.loads(builder.labels["io.buildpacks.builder.metadata"])
    assert metadata["createdBy"]["name"] == "pybuild"


def test_the_builder_has_the_files_of_every_builder(engine: docker.APIClient, builder: Builder) -> None:
    """BTM-01, BTM-02, BTM-03, BTM-04."""
    listed = run(
        engine,
        builder.name,
        "stat",
        "-c",
        "%n %u:%g %a",
        "/workspace",
        "/layers",
        "/cnb",
        "/platform/env",
        "/cnb/order.toml",
        "/cnb/run.toml",
        "/cnb/stack.toml",
        "/cnb/lifecycle/lifecycle.toml",
        "/home/cnb",
    )

    assert listed.splitlines() == [
        "/workspace 1000:1000 755",
        "/layers 1000:1000 755",
        "/cnb 0:0 755",
        "/platform/env 0:0 755",
        "/cnb/order.toml 0:0 644",
        "/cnb/run.toml 0:0 644",
        "/cnb/stack.toml 0:0 644",
        "/cnb/lifecycle/lifecycle.toml 0:0 644",
        "/home/cnb 1000:1000 755",
    ]
    assert run(engine, builder.name, "id", "-u").strip() == "1000"


def test_every_buildpack_can_load_its_libcnb(engine: docker.APIClient, builder: Builder) -> None:
    program = (
        'for bp in /cnb/buildpacks/*/*; do PYTHONPATH="$bp/lib" python3 -c "import pybuild.libcnb.main"; done'
    )

    assert run(engine, builder.name, "sh", "-euc", program) == ""


def test_what_a_layer_need_not_bring_is_what_the_run_image_has(
    engine: docker.APIClient, builder: Builder
) -> None:
    there = run(engine, builder.name, "cat", RUN_STATUS)

    assert there == run(engine, builder.run_images[0].image, "cat", "/var/lib/dpkg/status")
    assert "Package: ca-certificates\n" in there


def test_both_bases_are_clean_and_share_their_layers(engine: docker.APIClient, builder: Builder) -> None:
    """IMG-02, IMG-03; nothing of the machine that made them is in them."""
    store = DaemonStore(engine)
    found = store.find(Reference.parse(builder.run_images[0].image))
    made = store.find(builder.image_id)
    assert found is not None
    assert made is not None

    assert made.diff_ids[: len(found.diff_ids)] == found.diff_ids
    assert run(engine, found.id, "id", "-u").strip() == "1001"
    for image in (found.id, made.id):
        sources = run(
            engine, image, "sh", "-c", "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || :"
        )
        assert {line.split()[1].split("/")[2] for line in sources.splitlines() if line} == {"deb.debian.org"}
        left = "find /var/lib/apt/lists /tmp /var/cache/apt/archives /etc/machine-id -type f -size +0 2>/dev/null || :"
        assert run(engine, image, "sh", "-c", left) == ""
        assert run(engine, image, "sh", "-c", "find /var/log -type f -size +0") == ""


@pytest.fixture
def recipe(engine: docker.APIClient, builder: Builder) -> Iterator[Recipe]:
    """A recipe of a name of its own, quick because it starts from the bases that are there."""
    file = shipped("builder") / "base/debian-12.toml"
    whole = Recipe.read(file.read_bytes(), file=str(file))
    made = replace(
        whole,
        name=f"test-{secrets.token_hex(4)}",
        run=replace(whole.run, packages=("ca-certificates",)),
        build=replace(whole.build, packages=("zstd",)),
    )
    yield made
    for kind in ("build", "run"):
        if image := DaemonStore(engine).find(Reference.parse(made.image_name(kind))):
            DaemonStore(engine).delete(image)


def make(engine: docker.APIClient, recipe: Recipe, builder: Builder, *, refresh: bool = False) -> bases.Bases:
    script = (shipped("builder") / "base/stage.sh").read_bytes()
    choice = builder.run_images[0].image
    return bases.bases(engine, recipe, script, choice=choice, refresh=refresh, environ={})


def test_bases_can_start_from_any_debian_image_and_are_used_again(
    engine: docker.APIClient, builder: Builder, recipe: Recipe
) -> None:
    made = make(engine, recipe, builder)
    again = make(engine, recipe, builder)

    assert (made.fresh, again.fresh) == (True, False)
    assert again.build.id == made.build.id
    assert made.build.labels["io.buildpacks.stack.id"] == recipe.base_id
    assert run(engine, made.build.id, "zstd", "-q", "--version")


def test_bases_that_cannot_be_made_leave_nothing_behind(
    engine: docker.APIClient, builder: Builder, recipe: Recipe
) -> None:
    broken = replace(recipe, run=replace(recipe.run, packages=("no-such-package",)))

    with pytest.raises(BuilderUnusable, match="Unable to locate package no-such-package") as caught:
        make(engine, broken, builder)

    assert caught.value.hint
    assert leftovers(engine) == set()


def test_old_bases_that_cannot_be_made_anew_are_used_with_a_warning(
    engine: docker.APIClient, builder: Builder, recipe: Recipe
) -> None:
    made = make(engine, recipe, builder)
    heard: list[object] = []
    broken = replace(recipe, run=replace(recipe.run, packages=("no-such-package",)))

    with events.listening(heard.append):
        kept = make(engine, broken, builder, refresh=True)

    assert kept.build.id == made.build.id
    assert [event for event in heard if isinstance(event, events.Warned)]


def leftovers(engine: Any) -> set[str]:
    """Containers and volumes that this very process has made; others may be building, too."""
    containers = engine.containers(all=True, filters={"label": "io.pybuild.kind=build"})
    volumes = engine.volumes(filters={"name": "pybuild-apt-"})["Volumes"] or []
    labels = {each["Id"]: each["Labels"] for each in containers}
    labels |= {each["Name"]: each["Labels"] or {} for each in volumes}
    return {name for name, found in labels.items() if found[ownership.PROCESS].startswith(f"{os.getpid()}/")}
