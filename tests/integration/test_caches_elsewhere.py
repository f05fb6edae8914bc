"""`--cache` and `--cache-image`: a machine that has nothing but the cache builds the same image and makes no layer again.

Between two builds everything that this machine keeps is removed: volumes, state folder, the image. F-13, F-05, CCH-02,
CCH-04, S-26, S-27, S-47, G4.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidInput
from pybuild.oci import tar
from pybuild.oci.digest import sha256
from pybuild.platform import ownership, volumes
from pybuild.spec.cache import CACHE_METADATA
from support.cli import PATIENCE, result
from support.disks import full, tiny_disk
from support.pace import allowed

if TYPE_CHECKING:
    from pathlib import Path

    import docker

    from support.cli import Lab, Outcome
    from support.registry import DebianRegistry, Registry

pytestmark = pytest.mark.docker

BUILD = """\
if [ -f "$1/dep/file" ]; then echo "dep: kept"; else
    mkdir -p "$1/dep/deep"; echo "a dependency" > "$1/dep/file"; ln -s file "$1/dep/link"; echo x > "$1/dep/deep/er"
    chmod 750 "$1/dep/deep"; echo "dep: made"
fi
if [ -f "$1/tool/bin" ] && grep -q one "$1/tool.toml"; then echo "tool: kept"; else
    mkdir -p "$1/tool"; echo "a tool" > "$1/tool/bin"; echo "tool: made"
fi
printf '[types]\\nlaunch = true\\ncache = true\\n' > "$1/dep.toml"
printf '[types]\\nbuild = true\\ncache = true\\n[metadata]\\nversion = "one"\\n' > "$1/tool.toml"
cat > "$1/launch.toml" <<'TOML'
[[processes]]
type = "web"
command = ["/bin/cat", "file.txt"]
default = true
TOML"""


class Machines:
    """Builds, each on a machine that has kept nothing of the one before."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.pack = lab.buildpack(build=BUILD)

    def build(self, image: str, *words: str, fresh: bool = True, **environ: str) -> Outcome:
        if fresh:
            self.forget()
        options = ("--builder", self.lab.builder, "--network", "none", "--no-color", "--json")
        return self.lab.run("build", image, *options, "--buildpack", self.pack, *words, **environ)

    def forget(self) -> None:
        assert self.lab.engine is not None
        shutil.rmtree(self.lab.state, ignore_errors=True)
        volumes.remove(self.lab.engine, self._volumes(), self.lab.root)

    def _volumes(self) -> list[str]:
        assert self.lab.engine is not None
        labels = [f"{ownership.KIND}=cache", f"{ownership.BUILDER}={self.lab.builder}"]
        return [it["Name"] for it in self.lab.engine.volumes(filters={"label": labels})["Volumes"] or ()]


@pytest.fixture
def machines(lab: Lab) -> Machines:
    return Machines(lab)


@pytest.fixture
def with_run(registry: Registry) -> Registry:
    registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])
    return registry


def kept(outcome: Outcome) -> tuple[bool, bool]:
    """Whether the two layers came back."""
    assert outcome.code == 0, outcome.text()
    return ("dep: kept" in outcome.stderr, "tool: kept" in outcome.stderr)


def test_a_published_image_and_its_cache_image_are_all_that_the_next_machine_needs(
    machines: Machines, with_run: Registry
) -> None:
    host = with_run.host
    words = ("--publish", "--run-image", f"{host}/acme/run", "--cache-image", f"{host}/acme/cache")

    first = machines.build(f"{host}/acme/app", *words)
    cache = with_run.manifest("acme/cache", "latest")
    with_run.seen.clear()
    second = machines.build(f"{host}/acme/app", *words)

    assert (kept(first), kept(second)) == ((False, False), (True, True))
    assert result(second)["digest"] == result(first)["digest"]
    assert (result(second)["changed"], result(second)["sent_bytes"]) == (False, 0)
    assert with_run.asked("PUT") == []
    assert with_run.manifest("acme/cache", "latest") == cache
    # On the machine that has it all, nothing is fetched.
    with_run.seen.clear()
    third = machines.build(f"{host}/acme/app", *words, fresh=False)
    assert kept(third) == (True, True)
    blobs = {layer["digest"] for layer in cache["layers"]}
    assert not [path for path in with_run.asked("GET", "/blobs/") if path.rpartition("/")[2] in blobs]
    assert with_run.asked("PUT") == []


def test_debians_registry_keeps_a_cache_for_images_in_the_engine(
    machines: Machines, debian_registry: DebianRegistry
) -> None:
    name = f"{debian_registry.host}/acme/engine-cache"
    config = {"DOCKER_CONFIG": str(debian_registry.config)}
    words = ("--cache", f"type=build;format=image;name={name}")

    first = machines.build(machines.lab.name(), *words, **config)
    second = machines.build(machines.lab.name(), *words, **config)

    assert (kept(first), kept(second)) == ((False, False), (True, True))
    assert result(second)["image_id"] == result(first)["image_id"]


def test_a_folder_keeps_what_a_ci_system_carries_from_job_to_job(machines: Machines, tmp_path: Path) -> None:
    words = ("--cache", f"type=build;format=bind;source={tmp_path}/ci")

    first = machines.build(machines.lab.name(), *words)
    second = machines.build(machines.lab.name(), *words)

    assert (kept(first), kept(second)) == ((False, False), (True, True))
    assert result(second)["image_id"] == result(first)["image_id"]
    metadata = json.loads((tmp_path / "ci/build-cache/committed" / CACHE_METADATA).read_text())
    assert set(metadata["buildpacks"][0]["layers"]) == {"dep", "tool"}
    third = machines.build(machines.lab.name(), *words, "--clear-cache")
    assert kept(third) == (False, False)


def test_without_the_image_a_layer_of_it_comes_back_all_the_same(machines: Machines, tmp_path: Path) -> None:
    """Platform API 0.14 and later: the cache alone is enough."""
    words = ("--cache", f"format=bind;source={tmp_path}/ci")
    first = machines.build(machines.lab.name(), *words)
    assert machines.lab.engine is not None
    machines.lab.engine.remove_image(machines.lab.name(), force=True)

    second = machines.build(machines.lab.name(), *words)

    assert kept(second) == (True, True)
    assert result(second)["image_id"] == result(first)["image_id"]


def test_a_cache_in_use_is_left_to_the_other_build(machines: Machines, tmp_path: Path) -> None:
    import fcntl

    folder = tmp_path / "ci/build-cache"
    folder.mkdir(parents=True)
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)

    outcome = machines.build(machines.lab.name(), "--cache", f"format=bind;source={tmp_path}/ci")
    os.close(lock)

    assert kept(outcome) == (False, False)
    assert "another build uses it now" in outcome.stderr
    assert list(folder.iterdir()) == []


def test_a_full_disk_for_the_folder_keeps_the_old_cache_and_builds(machines: Machines) -> None:
    """F-05, G4: bit by bit the old one."""
    with tiny_disk("512k") as disk:
        words = ("--cache", f"format=bind;source={disk}/ci")
        assert kept(machines.build(machines.lab.name(), *words)) == (False, False)
        committed = disk / "ci/build-cache/committed"
        before = {path.name: path.read_bytes() for path in committed.iterdir()}
        machines.pack = machines.lab.buildpack(
            build=f'{BUILD}\nhead -c 3000000 /dev/urandom > "$1/tool/large"'
        )
        full(disk)

        outcome = machines.build(machines.lab.name(), *words)

        assert kept(outcome) == (True, True)
        assert "Warning: " in outcome.stderr
        assert {path.name: path.read_bytes() for path in committed.iterdir()} == before
        # What was on its way has no content of its own: it is another name of what is there, and goes with the next build.
        there = {path.stat().st_ino for path in (disk / "ci/build-cache").rglob("*") if path.is_file()}
        assert there == {path.stat().st_ino for path in committed.iterdir()}
        (disk / "filler").unlink()
        machines.pack = machines.lab.buildpack(build=BUILD)
        again = machines.build(machines.lab.name(), *words)
        assert kept(again) == (True, True)
    assert machines.lab.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_while_the_cache_image_is_written_leaves_the_old_one(
    machines: Machines, with_run: Registry, number: signal.Signals
) -> None:
    """F-18, F-20, G1, G2: the app image is the new one already, and whole."""
    lab, image = machines.lab, machines.lab.name()
    words = ("--cache-image", f"{with_run.host}/acme/cache")
    machines.build(image, *words)
    before, first = dict(with_run.manifests), lab.image_id()
    machines.pack = lab.buildpack(build=f'{BUILD}\necho more >> "$1/tool/bin"')
    fault = with_run.fail("PATCH", "/acme/cache/", how="hang", times=100)
    options = ("--builder", lab.builder, "--network", "none", "--no-color", "--buildpack", machines.pack)
    (lab.app / "file.txt").write_text("another app\n")
    running = lab.start("build", image, *options, *words)
    until = time.monotonic() + PATIENCE
    while not fault.seen:
        assert time.monotonic() < until, running.stderr
        time.sleep(0.02)

    outcome = running.stop(number)

    assert outcome.code == (-number if number == signal.SIGKILL else 128 + number)
    assert outcome.seconds < allowed(2)
    assert lab.leftovers() == []
    assert with_run.manifests == before
    assert lab.image_id() != first
    assert lab.output_of() == "another app\n"
    fault.times = 0
    again = machines.build(image, *words, fresh=False)
    assert again.code == 0, again.text()
    assert with_run.manifests != before
    assert lab.output_of() == "another app\n"
    assert lab.left_files() == []


@pytest.mark.parametrize("how", ["a file", "metadata", "foreign layer", "foreign layer of the image"])
def test_a_folder_that_is_damaged_is_a_warning_and_a_clean_build(
    machines: Machines, tmp_path: Path, how: str
) -> None:
    """F-22, S-26, S-27, G4."""
    source = tmp_path / "ci"
    words = ("--cache", f"format=bind;source={source}")
    first = machines.build(machines.lab.name(), *words)
    committed = source / "build-cache/committed"
    metadata = json.loads((committed / CACHE_METADATA).read_text())
    match how:
        case "a file":
            shutil.rmtree(source / "build-cache")
            (source / "build-cache").write_text("")
        case "metadata":
            (committed / CACHE_METADATA).write_text('{"buildpacks": 7}')
        case _:
            name = "tool" if how == "foreign layer" else "dep"
            lie = hostile(name)
            (committed / f"{sha256(lie)}.tar").write_bytes(lie)
            metadata["buildpacks"][0]["layers"][name]["sha"] = sha256(lie)
            (committed / CACHE_METADATA).write_text(json.dumps(metadata))
    if how == "foreign layer of the image":
        # Else the image says what that layer is, and the cache's is not looked at.
        assert machines.lab.engine is not None
        machines.lab.engine.remove_image(machines.lab.name(), force=True)

    second = machines.build(machines.lab.name(), *words)

    assert kept(second) == (how == "foreign layer", how == "foreign layer of the image")
    assert result(second)["image_id"] == result(first)["image_id"]
    if how != "metadata":
        assert "Warning: " in second.stderr


def hostile(layer: str) -> bytes:
    """A tar that is what its digest says, and wants to write elsewhere."""
    root = f"/layers/acme_bp/{layer}".encode()
    link = tar.TarEntry(root + b"/out", tar.SYMLINK, 0o777, 0, 0, 0, b"/cnb")
    file = tar.TarEntry(root + b"/out/evil", tar.FILE, 0o4755, 0, 0, 4)
    folders = [tar.TarEntry(name, tar.DIRECTORY, 0o755, 0, 0) for name in (root, root + b"/bin.d")]
    return b"".join(tar.write([(folders[0], b""), (folders[1], b""), (link, b""), (file, b"evil")]))


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_a_cache_image_out_of_reach_is_a_warning(machines: Machines, with_run: Registry, verb: str) -> None:
    """F-13: who may only read it, as a job of a stranger's change should, still uses it."""
    name = f"{with_run.host}/acme/cache"
    words = ("--cache-image", name)
    machines.build(machines.lab.name(), *words)
    with_run.fail(verb, "/acme/cache/", status=403, times=1000)
    machines.pack = machines.lab.buildpack(build=f'{BUILD}\necho more >> "$1/tool/bin"')

    outcome = machines.build(machines.lab.name(), *words)

    if verb == "GET":
        assert kept(outcome) == (False, False)
        assert f"the cache image {name}:latest is not used" in outcome.stderr
    else:
        assert kept(outcome) == (True, True)
        assert "the layers of this build are not in the cache" in outcome.stderr


def test_an_image_that_is_no_cache_is_neither_used_nor_overwritten(
    machines: Machines, with_run: Registry
) -> None:
    before = dict(with_run.manifests)

    outcome = machines.build(machines.lab.name(), "--cache-image", f"{with_run.host}/acme/run")

    assert kept(outcome) == (False, False)
    assert "is an image, but no cache" in outcome.stderr
    assert with_run.manifests == before


def test_a_volume_of_the_users_choice_is_the_cache(
    machines: Machines, engine: docker.APIClient, test_run: str
) -> None:
    name = f"{test_run}-own-cache"
    words = ("--cache", f"type=build;format=volume;name={name}")
    try:
        first = machines.build(machines.lab.name(), *words, fresh=False)
        second = machines.build(machines.lab.name(), *words, fresh=False)

        assert (kept(first), kept(second)) == ((False, False), (True, True))
        assert engine.inspect_volume(name)["Name"] == name
    finally:
        volumes.remove(engine, [name], machines.lab.root)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cache", "format=tape"), "format is 'tape', expected one of volume, bind, image"),
        (("--cache", "type=both"), "type is 'both'"),
        (("--cache", "format=image"), "name=… is missing"),
        (("--cache", "format=bind"), "source=… is missing"),
        (("--cache", "colour=red"), "'colour=red' is not one of"),
        (("--cache", "format=volume;name=../x"), "is no volume's name"),
        (("--cache", "format=image;name=A"), "is no image name"),
        (("--cache", "format=volume", "--cache", "format=bind;source=x", "--cache-image", "c"), "both say"),
        (("--cache-image", "acme/app"), "is the image itself"),
        (("--cache-image", f"c@sha256:{'0' * 64}"), "has a digest"),
    ],
)
def test_words_that_name_no_cache_are_refused(words_lab: Lab, words: tuple[str, ...], said: str) -> None:
    words_lab.run("build", "acme/app", *words).failed(InvalidInput.exit_code, said)
