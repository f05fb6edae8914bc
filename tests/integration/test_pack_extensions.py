"""A real `pack` (its path in `PACK`) with image extensions: it extends both images with our lifecycle's extender, and
switches the run image with the Go lifecycle's, beside which ours gives the same.

XTD-01 to XTD-09, RST-11 to RST-13, GNR-09 to GNR-14, GEN-06, GO-12, GO-73, GO-95.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from support.registry import DebianRegistry

ROOT = Path(__file__).parents[2]
PACK, PROGRAMS = os.environ.get("PACK", ""), os.environ.get("CNB_LIFECYCLE_DIR", "")
# An extender of ours needs Python in the image that it extends.
BASE = "pybuild/build:debian-12"

pytestmark = [
    pytest.mark.peer,
    pytest.mark.docker,
    pytest.mark.skipif(not PACK, reason="PACK names no peer"),
]

_HEAD = "ARG base_image\nFROM ${base_image}\nUSER root\n"
_END = "LABEL io.buildpacks.rebasable=true\nARG user_id\nARG group_id\nUSER ${user_id}:${group_id}\n"
_EXTEND = f"""
mkdir "$CNB_OUTPUT_DIR/context.run"; echo given > "$CNB_OUTPUT_DIR/context.run/file"
cat > "$CNB_OUTPUT_DIR/build.Dockerfile" <<'D'
{_HEAD}RUN echo of the build image, $(date +%N) > /extended
{_END}D
cat > "$CNB_OUTPUT_DIR/run.Dockerfile" <<'D'
{_HEAD}ENV EXTENDED=yes
RUN echo of the run image, $(date +%N) > /extended && rm /etc/issue
COPY file /file
{_END}D
"""
_BUILD = r"""
set -e
[ $(id -u) = 1000 ]; cp /extended "$CNB_LAYERS_DIR/../../workspace/built"
printf '[[processes]]\ntype = "web"\ncommand = ["sh", "-c"]\nargs = ["cat /extended built /file; echo $EXTENDED $(id -u)"]\ndefault = true\n' > "$CNB_LAYERS_DIR/launch.toml"
"""
_SWITCHED = r"""
printf '[[processes]]\ntype = "web"\ncommand = ["id", "-u"]\ndefault = true\n' > "$CNB_LAYERS_DIR/launch.toml"
"""
_BUILDER = """
[[buildpacks]]
id = "test/bp"
version = "1"
uri = "{folder}/bp"
[[extensions]]
id = "test/ext"
version = "1"
uri = "{folder}/ext"
[[order]]
[[order.group]]
id = "test/bp"
version = "1"
[[order-extensions]]
[[order-extensions.group]]
id = "test/ext"
version = "1"
[build]
image = "{base}"
[run]
[[run.images]]
image = "{run}"
[[run.images]]
image = "{other}"
[lifecycle]
uri = "{lifecycle}"
"""


@dataclass
class Peer:
    """Images for pack in a registry that asks who one is."""

    folder: Path
    registry: DebianRegistry
    engine: docker.APIClient
    name: str

    def __post_init__(self) -> None:
        self.run_image, self.other = self.ref("run"), self.ref("other")
        self.image(self.run_image, "LABEL io.buildpacks.rebasable=true\n")
        self.image(self.other, "USER root\nRUN useradd -u 1007 other\nENV OTHER=1\nUSER 1007:1000\n")

    def ref(self, what: str) -> str:
        return f"{self.registry.host}/{self.name}/{what}:1"

    def image(self, name: str, text: str, context: Path | None = None) -> None:
        folder = context or self.folder / "empty"
        folder.mkdir(exist_ok=True)
        (folder / "Dockerfile").write_text(f"FROM {BASE}\n{text}")
        self.said("docker", "build", "-q", "-t", name, str(folder))
        self.said("docker", "push", "-q", name)

    def lifecycle(self, archive: Path) -> str:
        """The lifecycle image of an archive; the lifecycle has to be its last layer."""
        folder = self.folder / "lifecycle"
        folder.mkdir()
        subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
        about = tomllib.loads((folder / "lifecycle.toml").read_text())
        apis = json.dumps(about["apis"]).replace('"', '\\"')
        text = (
            "USER root\nWORKDIR /layers\nCOPY lifecycle /cnb/lifecycle\n"
            f'LABEL io.buildpacks.lifecycle.version="{about["lifecycle"]["version"]}"'
            f' io.buildpacks.lifecycle.apis="{apis}"\n'
        )
        self.image(self.ref("lifecycle"), text, folder)
        return self.ref("lifecycle")

    def builder(self, archive: Path, generate: str, build: str) -> str:
        descriptor = 'api = "0.10"\n[%s]\nid = "test/%s"\nversion = "1"\n'
        targets = '[[targets]]\nos = "linux"\n'
        for name, kind, programs in (
            ("bp", "buildpack", {"detect": _plan("requires"), "build": build}),
            ("ext", "extension", {"detect": _plan("provides"), "generate": generate}),
        ):
            (self.folder / name / "bin").mkdir(parents=True)
            text = descriptor % (kind, name) + (targets if name == "bp" else "")
            (self.folder / name / f"{kind}.toml").write_text(text)
            for program, lines in programs.items():
                path = self.folder / name / "bin" / program
                path.write_text(f"#!/bin/sh\n{lines}\n")
                path.chmod(0o755)
        config = self.folder / "builder.toml"
        config.write_text(
            _BUILDER.format(
                folder=self.folder, base=BASE, run=self.run_image, other=self.other, lifecycle=archive
            )
        )
        name = self.ref("builder")
        self.said(PACK, "builder", "create", name, "--config", str(config), "--pull-policy", "never")
        self.said("docker", "push", "-q", name)
        return name

    def said(self, *words: str) -> str:
        environ = {
            **os.environ,
            "PACK_VOLUME_KEY": "pybuild-test",
            "DOCKER_CONFIG": str(self.registry.config),
            "PACK_HOME": str(self.folder / "pack"),
        }
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pack(self, image: str, builder: str, lifecycle: str) -> str:
        """What `pack build` says; with extensions it always pulls."""
        return self.said(
            *(PACK, "build", image, "--builder", builder, "--path", str(self.app()), "--network", "host"),
            *("--pull-policy", "always", "--lifecycle-image", lifecycle, "--trust-builder=false"),
        )

    def app(self) -> Path:
        folder = self.folder / "app"
        folder.mkdir(exist_ok=True)
        (folder / "name").write_text("world")
        return folder

    def about(self, image: str) -> Any:
        return self.engine.inspect_image(image)

    def close(self) -> None:
        for image in self.engine.images():
            for tag in image["RepoTags"] or ():
                if tag.startswith((f"{self.registry.host}/{self.name}/", f"{self.name}/")):
                    self.engine.remove_image(tag, force=True)
        for volume in self.engine.volumes()["Volumes"] or ():
            if volume["Name"].startswith(f"pack-cache-{self.name}_"):
                self.engine.remove_volume(volume["Name"])


def _plan(word: str) -> str:
    return f'printf \'[[{word}]]\\nname = "it"\\n\' > "$CNB_BUILD_PLAN_PATH"'


@pytest.fixture
def peer(
    tmp_path: Path, engine: docker.APIClient, debian_registry: DebianRegistry, test_run: str
) -> Iterator[Peer]:
    subprocess.run([sys.executable, "-m", "pybuild", "doctor", "--prepare", "--quiet"], check=True)
    made = Peer(tmp_path, debian_registry, engine, f"{test_run}-peer")
    yield made
    made.close()


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import lifecycle as script  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    made: Path = script.write(tmp_path)[1]
    return made


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    if not PROGRAMS:
        pytest.skip("CNB_LIFECYCLE_DIR names no peer")
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import workload
    finally:
        sys.path.pop(0)
    made: Path = workload._lifecycle_archive(tmp_path / "go.tgz", Path(PROGRAMS))
    return made


def test_pack_extends_both_images_with_our_extender_and_takes_the_layers_again(
    peer: Peer, ours: Path
) -> None:
    image = f"{peer.name}/extended-app"
    builder = peer.builder(ours, _EXTEND, _BUILD)
    lifecycle = peer.lifecycle(ours)

    peer.pack(image, builder, lifecycle)
    first = peer.said("docker", "run", "--rm", image)
    about = peer.about(image)
    again = peer.pack(image, builder, lifecycle)

    run, build, given, last = first.splitlines()
    assert run.startswith("of the run image, ")
    assert build.startswith("of the build image, ")
    assert (given, last) == ("given", "yes 1000")
    labels = about["Config"]["Labels"]
    assert labels["io.buildpacks.rebasable"] == "true"
    metadata = json.loads(labels["io.buildpacks.lifecycle.metadata"])
    layers = peer.about(peer.run_image)["RootFS"]["Layers"]
    assert metadata["runImage"]["topLayer"] == layers[-1]
    assert about["RootFS"]["Layers"][: len(layers)] == layers
    assert "Using the cache" in again
    assert peer.about(image)["Id"] == about["Id"]
    assert peer.said("docker", "run", "--rm", image) == first
    assert peer.said("docker", "run", "--rm", "--entrypoint", "ls", image, "/etc").count("issue\n") == 0


def test_a_switched_run_image_gives_the_image_that_the_go_lifecycle_gives(peer: Peer, theirs: Path) -> None:
    """GNR-10, GO-73: extending needs kaniko, which these programs lack; switching does not."""
    their_image, our_image = f"{peer.name}/theirs", f"{peer.name}/ours"
    builder = peer.builder(theirs, f'echo "FROM {peer.other}" > "$CNB_OUTPUT_DIR/run.Dockerfile"', _SWITCHED)

    peer.pack(their_image, builder, peer.lifecycle(theirs))
    words = ("--builder", builder, "--path", str(peer.app()), "--pull-policy", "never")
    peer.said(sys.executable, "-m", "pybuild", "build", our_image, *words)
    peer.said(sys.executable, "-m", "pybuild", "cache", "rm", our_image)

    theirs_now, ours_now = peer.about(their_image), peer.about(our_image)
    assert peer.said("docker", "run", "--rm", our_image) == "1007\n"
    assert ours_now["RootFS"] == theirs_now["RootFS"]
    assert _differences(ours_now["Config"], theirs_now["Config"]) == []


def _differences(ours: Any, theirs: Any) -> list[str]:
    """What differs but for how each of them calls the run image: by an engine's ID, or a registry's digest."""
    found = []
    for key in sorted({*ours, *theirs}):
        if key == "Labels":
            found += [f"Labels {name}" for name in ours[key] if _label(ours, name) != _label(theirs, name)]
            found += [f"Labels {name}" for name in theirs[key].keys() - ours[key].keys()]
        elif ours.get(key) != theirs.get(key):
            found.append(f"{key}: {ours.get(key)} and {theirs.get(key)}")
    return found


def _label(config: Any, name: str) -> Any:
    text = config["Labels"].get(name)
    if name != "io.buildpacks.lifecycle.metadata":
        return text
    metadata = json.loads(text)
    metadata["runImage"].pop("reference")
    return metadata
