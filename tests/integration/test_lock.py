"""`pybuild lock` and `--locked`: the very images, or an error that says how to get them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidFile, InvalidInput, NotTrusted
from pybuild.platform.lock import Lock, Pinned
from support.cli import result

if TYPE_CHECKING:
    import docker

    from support.cli import Lab

BUILD = """\
cat > "$1/launch.toml" <<'TOML'
[[processes]]
type = "web"
command = ["/bin/cat", "file.txt"]
TOML"""


@pytest.mark.docker
def test_a_locked_build_takes_the_pinned_images_and_no_others(lab: Lab, engine: docker.APIClient) -> None:
    words = ["--buildpack", lab.buildpack(build=BUILD)]
    builder = lab.name("builder")
    engine.tag(lab.builder, builder, "latest")
    lab.builder = builder

    first = lab.run("lock", "--builder", builder, "--json")
    again = lab.run("lock", "--builder", builder, "--json")
    built = result(lab.build(*words, "--locked", "--json"))
    made = engine.create_container(builder, ["/bin/sh"])["Id"]
    try:
        engine.commit(made, builder, "latest")
    finally:
        engine.remove_container(made)

    assert (json.loads(first.stdout)["changed"], json.loads(again.stdout)["changed"]) == (True, False)
    assert built["changed"] is True
    lab.build(*words, "--locked").failed(NotTrusted.exit_code, "the builder", builder, "pybuild.lock pins")
    assert result(lab.build(*words, "--json"))["image_id"]
    assert lab.leftovers() == []


@pytest.mark.docker
def test_a_damaged_lock_is_told_and_only_where_it_counts(lab: Lab) -> None:
    words = ["--buildpack", lab.buildpack(build=BUILD)]
    (lab.app / "pybuild.lock").write_text("format = 9\n")

    lab.build(*words, "--locked").failed(InvalidFile.exit_code, "pybuild.lock: format")
    assert lab.build(*words).code == 0


@pytest.mark.parametrize("line", ['pull = "x; rm -rf ~"', 'image = "a b"', 'id = "sha256:1; reboot"'])
def test_what_a_strangers_lock_would_have_people_type_is_refused(line: str) -> None:
    pinned = {"image": 'image = "b"', "id": f'id = "sha256:{"a" * 64}"', "pull": 'pull = "b"'}
    pinned[line.partition(" ")[0]] = line
    run = f'[run-image]\nimage = "r"\nid = "sha256:{"b" * 64}"\n'

    with pytest.raises(InvalidInput):
        Lock.read(f"format = 1\n{run}[builder]\n{chr(10).join(pinned.values())}\n".encode(), "pybuild.lock")


def test_a_lock_reads_as_it_was_written() -> None:
    pinned = Pinned(image="acme/b:1", id="sha256:" + "a" * 64, pull="acme/b@sha256:" + "b" * 64)
    lock = Lock(
        builder=pinned,
        run_image=Pinned(image="r", id="sha256:" + "d" * 64),
        buildpacks=(("a@1", "sha256:2"),),
    )

    assert Lock.read(lock.write(), "pybuild.lock") == lock
    with pytest.raises(NotTrusted) as caught:
        pinned.check("acme/b:1", "sha256:" + "c" * 64, "the builder")
    assert "docker pull acme/b@sha256:" in caught.value.hint
