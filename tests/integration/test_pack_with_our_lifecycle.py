"""A real `pack` (its path in `PACK`) with a builder that has our lifecycle: it makes the builder and builds with it,
trusted (the creator) and untrusted (each phase in a container of its own, some from a lifecycle image).

GEN-05, GEN-07, GEN-08, GO-90, GO-91, GO-95, GO-96, CRE-01, GO-02, GO-14, RST-06, EXP-20, ANA-09.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.registry import DebianRegistry

ROOT = Path(__file__).parents[2]
PACK = os.environ.get("PACK", "")
AUTH = {"username": "builder", "password": "correct horse"}
BUILD_BASE, RUN_BASE = "pybuild/build:debian-12", "pybuild/run:debian-12"

pytestmark = [
    pytest.mark.peer,
    pytest.mark.docker,
    pytest.mark.skipif(not PACK, reason="PACK names no peer"),
]

_DESCRIPTOR = """
api = "0.10"
[buildpack]
id = "test/hello"
version = "1.0.0"
sbom-formats = ["application/vnd.cyclonedx+json"]
[[targets]]
os = "linux"
"""
_BUILD = r"""#!/bin/sh
set -e
cd "$CNB_LAYERS_DIR"
if [ -f dep/made ]; then
    echo "kept, with $(cat dep.sbom.cdx.json)"
else
    echo made
    mkdir -p dep/bin
    date > dep/made
    printf '#!/bin/sh\necho "hello from $(cat /workspace/name)"\n' > dep/bin/greet
    chmod 755 dep/bin/greet
    echo '{"x": 1}' > dep.sbom.cdx.json
fi
printf '[types]\nlaunch = true\ncache = true\n[metadata]\nn = 1\n' > dep.toml
mkdir -p only; date +%N > only/cached; printf '[types]\ncache = true\n' > only.toml
printf '[[processes]]\ntype = "web"\ncommand = ["greet"]\ndefault = true\n' > launch.toml
echo "user $(id -u), home $HOME, secrets $(ls /var/run/docker.sock 2>&1 >/dev/null; id -G)"
if cat /var/run/docker.sock /proc/$PPID/environ 2>/dev/null; then echo open; fi
"""
_BUILDER = """
[[buildpacks]]
id = "test/hello"
version = "1.0.0"
uri = "{folder}/buildpack"
[[order]]
[[order.group]]
id = "test/hello"
version = "1.0.0"
[build]
image = "{build}"
[run]
[[run.images]]
image = "{run}"
[lifecycle]
uri = "{lifecycle}"
"""


@dataclass(frozen=True)
class Peer:
    """A builder with our lifecycle, an app, and the name of its image."""

    builder: str
    app: Path
    image: str

    def build(self, *words: str, image: str = "", **environ: str) -> str:
        """What `pack build` says."""
        return _said(
            *(PACK, "build", image or self.image, "--builder", self.builder, "--path", str(self.app)),
            *("--pull-policy", "never", *words),
            **environ,
        )

    def run(self) -> str:
        """What the app says."""
        return _said("docker", "run", "--rm", self.image)


def _said(*words: str, **more: str) -> str:
    environ = {**os.environ, "PACK_VOLUME_KEY": "pybuild-test", **more}
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def peer(tmp_path: Path, lifecycle_archive: Path, engine: docker.APIClient, test_run: str) -> Iterator[Peer]:
    _said(sys.executable, "-m", "pybuild", "doctor", "--prepare", "--quiet")
    bin_folder = tmp_path / "buildpack/bin"
    bin_folder.mkdir(parents=True)
    (tmp_path / "buildpack/buildpack.toml").write_text(_DESCRIPTOR)
    for name, text in {"detect": "#!/bin/sh\nexit 0\n", "build": _BUILD}.items():
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    app = tmp_path / "app"
    app.mkdir()
    (app / "name").write_text("world")
    config = tmp_path / "builder.toml"
    config.write_text(
        _BUILDER.format(folder=tmp_path, build=BUILD_BASE, run=RUN_BASE, lifecycle=lifecycle_archive)
    )
    made = Peer(builder=f"{test_run}/peer-builder:1", app=app, image=f"{test_run}/peer-app:1")
    _said(PACK, "builder", "create", made.builder, "--config", str(config), "--pull-policy", "never")
    yield made
    for name in (made.image, made.builder):
        with suppress(docker.errors.ImageNotFound):
            engine.remove_image(name, force=True)
    for volume in engine.volumes()["Volumes"] or ():
        if made.image.replace("/", "_").replace(":", "_") in volume["Name"]:
            engine.remove_volume(volume["Name"])


def test_pack_makes_a_builder_and_builds_and_rebuilds_with_our_lifecycle(
    peer: Peer, engine: docker.APIClient
) -> None:
    """GEN-05, GEN-06, GEN-07, CRE-01, GO-90, GO-91, RST-06."""
    first = peer.build("--trust-builder")

    assert "===> EXPORTING" in first
    assert "\nmade\n" in first
    assert "Adding cache layer 'test/hello:dep'" in first
    assert "user 1000, home /home/" in first
    assert "open" not in first.split("===> BUILDING")[1]
    assert peer.run() == "hello from world\n"
    first_id = engine.inspect_image(peer.image)["Id"]

    second = peer.build("--trust-builder")

    assert 'Restoring data for "test/hello:dep" from cache' in second
    assert 'kept, with {"x": 1}' in second
    assert "Reusing layer 'test/hello:dep'" in second
    assert engine.inspect_image(peer.image)["Id"] == first_id

    (peer.app / "name").write_text("everyone")
    third = peer.build("--trust-builder")

    assert "kept, with" in third
    assert peer.run() == "hello from everyone\n"
    labels = engine.inspect_image(peer.image)["Config"]["Labels"]
    layers = json.loads(labels["io.buildpacks.lifecycle.metadata"])["buildpacks"][0]["layers"]
    assert list(layers) == ["dep"]


def test_clearing_the_cache_has_the_buildpack_start_anew(peer: Peer) -> None:
    """CRE-02, RST-02."""
    peer.build("--trust-builder")

    again = peer.build("--trust-builder", "--clear-cache")

    assert "\nmade\n" in again
    assert peer.run() == "hello from world\n"


def test_pack_runs_the_phases_one_by_one_where_it_does_not_trust_the_builder(
    peer: Peer, lifecycle_image: str, engine: docker.APIClient
) -> None:
    """GEN-05, GEN-06, GEN-08, GO-95, GO-96."""
    words = ("--trust-builder=false", "--lifecycle-image", lifecycle_image)
    first = peer.build(*words)

    assert "[builder] made\n" in first
    assert peer.run() == "hello from world\n"
    first_id = engine.inspect_image(peer.image)["Id"]

    second = peer.build(*words)

    assert '[restorer] Restoring data for "test/hello:dep" from cache' in second
    assert '[builder] kept, with {"x": 1}' in second
    assert "[exporter] Reusing cache layer 'test/hello:dep'" in second
    assert engine.inspect_image(peer.image)["Id"] == first_id


@pytest.fixture
def run_image(engine: docker.APIClient, debian_registry: DebianRegistry) -> Iterator[str]:
    """The run base in the registry."""
    name = f"{debian_registry.host}/peer/run"
    engine.tag(RUN_BASE, name, "1")
    pushed = list(engine.push(name, "1", auth_config=AUTH, stream=True, decode=True))
    assert not any("error" in step for step in pushed), pushed
    yield f"{name}:1"
    engine.remove_image(f"{name}:1", force=True)


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("cache", ["volume", "image"])
def test_pack_publishes_and_rebuilds_with_our_phases(
    peer: Peer,
    lifecycle_image: str,
    debian_registry: DebianRegistry,
    run_image: str,
    engine: docker.APIClient,
    *,
    trusted: bool,
    cache: str,
) -> None:
    """ANA-06, EXP-21, GO-35: no engine takes part in what the phases do."""
    image = f"{debian_registry.host}/peer/{cache}-{'trusted' if trusted else 'untrusted'}"
    words = ["--publish", "--network", "host", "--run-image", run_image]
    words += (
        ["--trust-builder"] if trusted else ["--trust-builder=false", "--lifecycle-image", lifecycle_image]
    )
    words += ["--cache-image", f"{image}-cache"] if cache == "image" else []
    login = {"DOCKER_CONFIG": str(debian_registry.config)}

    first = peer.build(*words, image=image, **login)
    digest = _digest(first)
    (peer.app / "name").write_text("everyone")
    second = peer.build(*words, image=image, **login)

    assert "made\n" in first
    assert 'Restoring data for "test/hello:dep" from cache' in second
    assert 'kept, with {"x": 1}' in second
    assert "Reusing layer 'test/hello:dep'" in second
    assert _digest(second) != digest
    engine.pull(image, tag="latest", auth_config=AUTH)
    assert _said("docker", "run", "--rm", image) == "hello from everyone\n"
    engine.remove_image(image, force=True)
    for volume in engine.volumes()["Volumes"] or ():
        if f"peer_{cache}-" in volume["Name"]:
            engine.remove_volume(volume["Name"])


def _digest(said: str) -> str:
    found = re.search(r"\*\*\* Images \(([0-9a-f]{12})\)", said)
    assert found, said
    return found[1]


def test_pack_rebases_our_image_onto_another_run_image(
    peer: Peer, engine: docker.APIClient, test_run: str, tmp_path: Path
) -> None:
    """REB-01. pack does it with its own Go code: it reads what our exporter wrote."""
    peer.build("--trust-builder")
    before = engine.inspect_image(peer.image)
    newer = f"{test_run}/newer-run:1"
    (tmp_path / "Dockerfile").write_text(f"FROM {RUN_BASE}\nUSER root\nRUN touch /newer\nUSER 1001:1000\n")
    _said("docker", "build", "-q", "-t", newer, str(tmp_path))
    try:
        _said(PACK, "rebase", peer.image, "--run-image", newer, "--pull-policy", "never", "--force")

        after = engine.inspect_image(peer.image)
        base = engine.inspect_image(newer)["RootFS"]["Layers"]
        assert after["RootFS"]["Layers"][: len(base)] == base
        old_base = engine.inspect_image(RUN_BASE)["RootFS"]["Layers"]
        assert after["RootFS"]["Layers"][len(base) :] == before["RootFS"]["Layers"][len(old_base) :]
        assert peer.run() == "hello from world\n"
        again = peer.build("--trust-builder")
        assert "Reusing layer 'test/hello:dep'" in again
        assert engine.inspect_image(peer.image)["Id"] == before["Id"]
    finally:
        engine.remove_image(newer, force=True)
