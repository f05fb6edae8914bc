"""pybuild beside `pack` with the Go lifecycle: the same builder and app give the same image, to the last byte.

Needs `PACK` (a pack program) and `CNB_LIFECYCLE_DIR` (a folder with the Go programs `lifecycle` and `launcher`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.buildpacks import Folders
from support.registry import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from support.registry import DebianRegistry

ROOT = Path(__file__).parents[2]
PACK, LIFECYCLE = os.environ.get("PACK", ""), os.environ.get("CNB_LIFECYCLE_DIR", "")

pytestmark = [
    pytest.mark.peer,
    pytest.mark.docker,
    pytest.mark.skipif(not (PACK and LIFECYCLE), reason="PACK and CNB_LIFECYCLE_DIR name no peer"),
]


def output(*words: str) -> str:
    """Standard output of a program that must succeed."""
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=300).stdout


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import workload as module
    finally:
        sys.path.pop(0)
    output(sys.executable, "-m", "pybuild", "doctor", "--prepare", "--quiet")
    made = module.prepare(tmp_path_factory.mktemp("workload"), PACK, Path(LIFECYCLE), prefix="pybuild-test")
    yield made
    images = ["pybuild-test/ours", "pybuild-test/theirs", made.builder, made.trivial_builder]
    subprocess.run(["docker", "rmi", "-f", *images], capture_output=True, check=False)
    subprocess.run(
        [sys.executable, "-m", "pybuild", "cache", "rm", "pybuild-test/ours"],
        capture_output=True,
        check=False,
    )
    volumes = output("docker", "volume", "ls", "-q").split()
    ours = [
        name for name in volumes if name.startswith(("pack-cache-pybuild-test_", "pack-cache-127.0.0.1_"))
    ]
    subprocess.run(["docker", "volume", "rm", *ours], capture_output=True, check=False)


def test_both_tools_make_the_same_image(workload: object) -> None:
    """GEN-17, GO-26: labels, layers, configuration and so the image ID are equal, on a first and a second build."""
    builder, app = str(workload.trivial_builder), str(workload.trivial_app)  # type: ignore[attr-defined]
    words = ["--builder", builder, "--path", app, "--pull-policy", "never"]

    for _ in range(2):
        output(PACK, "build", "pybuild-test/theirs", *words, "--trust-builder")
        output(sys.executable, "-m", "pybuild", "build", "pybuild-test/ours", *words)

        ids = output("docker", "inspect", "-f", "{{.Id}}", "pybuild-test/theirs", "pybuild-test/ours").split()
        assert ids[0] == ids[1]


def compared(*words: str, code: int) -> Any:
    """What `pybuild compare … --json` says; it must end with `code`."""
    program = [sys.executable, "-m", "pybuild", "compare", *words, "--json"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_images_of_pack_are_compared_like_ours(workload: object, tmp_path: Path) -> None:
    """One file of the app differs: it is found, and its traces in labels; all else is the same."""
    builder, app = str(workload.trivial_builder), tmp_path / "app"  # type: ignore[attr-defined]
    shutil.copytree(workload.trivial_app, app)  # type: ignore[attr-defined]
    words = ["--builder", builder, "--path", str(app), "--pull-policy", "never"]
    output(PACK, "build", "pybuild-test/theirs", *words, "--trust-builder")
    (app / "file-1.txt").write_text("changed")
    output(sys.executable, "-m", "pybuild", "build", "pybuild-test/ours", *words)

    found = compared("pybuild-test/theirs", "pybuild-test/ours", code=1)

    assert [pair["owner"] for pair in found["layers"] if pair["change"] != "same"] == ["app slice 1"]
    assert {pair["owner"] for pair in found["layers"]} == {
        *("run image", "bench/tiny-1:tiny", "bench/tiny-2:tiny", "bench/tiny-3:tiny"),
        *("sbom", "app slice 1", "launcher", "config", "process-types"),
    }
    assert [(file["path"], file["what"]) for file in found["files"][0]["files"]] == [
        ("/workspace/file-1.txt", ["content", "size"])
    ]
    assert [(each["section"], each["path"], each["at"]) for each in found["differences"]] == [
        ("image", "id", None),
        ("labels", "io.buildpacks.lifecycle.metadata", ".app[0].sha"),
    ]


def test_compare_builds_with_both_and_leaves_nothing(workload: object) -> None:
    builder, app = str(workload.trivial_builder), str(workload.trivial_app)  # type: ignore[attr-defined]
    objects = ("docker image ls --format {{.Repository}}", "docker volume ls -q")

    found = compared("--build", app, "--builder", builder, code=0)

    assert found["comparison"]["identical"]
    name = found["tools"][1]["image"].partition("/")[0]
    assert name.startswith("pybuild-compare-")
    token = name.removeprefix("pybuild-compare-")  # pack writes the rest of the name in its own way
    assert [words for words in objects if token in output(*words.split())] == []


CACHING = """\
for name in dep tool; do
    if [ -f "$1/$name/file" ]; then echo "$name: kept"; else mkdir -p "$1/$name"; echo x > "$1/$name/file"; echo "$name: made"; fi
done
printf '[types]\\nlaunch = true\\ncache = true\\n' > "$1/dep.toml"
printf '[types]\\nbuild = true\\ncache = true\\n' > "$1/tool.toml"
"""


@pytest.fixture(scope="module")
def caching(workload: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A builder with the Go lifecycle whose buildpack has two cached layers, and tells whether they came back."""
    import workload as module

    folder, name = tmp_path_factory.mktemp("caching"), "pybuild-test/caching:1"
    folders = Folders(folder / "cnb")
    folders.buildpack("acme/caching", "1.0.0", build=CACHING)
    archive = module._lifecycle_archive(folder / "lifecycle.tgz", Path(LIFECYCLE))
    path = folders.buildpacks / "acme_caching" / "1.0.0"
    module._builder(PACK, folder, name, archive, {"acme/caching": path})
    yield name
    subprocess.run(["docker", "rmi", "-f", name], capture_output=True, check=False)


@pytest.mark.parametrize("first", ["pack", "pybuild"])
def test_a_folder_is_a_cache_for_both(workload: object, caching: str, tmp_path: Path, first: str) -> None:
    cache = ("--cache", f"type=build;format=bind;source={tmp_path}/ci")

    _each_finds_what_the_other_kept(workload, caching, first, "pybuild-test/shared", cache)


@pytest.mark.parametrize("first", ["pack", "pybuild"])
def test_a_cache_image_is_a_cache_for_both(
    workload: object,
    caching: str,
    engine: docker.APIClient,
    debian_registry: DebianRegistry,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
) -> None:
    """GO-04: in a registry that `pack`'s containers reach by the host's network."""
    monkeypatch.setenv("DOCKER_CONFIG", str(debian_registry.config))
    place = f"{debian_registry.host}/{first}-first"
    auth = {"username": USER, "password": PASSWORD}
    engine.tag("pybuild/run:debian-12", f"{place}/run", "1")
    try:
        steps = list(engine.push(f"{place}/run", "1", auth_config=auth, stream=True, decode=True))
        assert not any("error" in step for step in steps), steps
    finally:
        engine.remove_image(f"{place}/run:1")
    cache = ("--cache-image", f"{place}/cache", "--publish", "--network", "host")
    words = (*cache, "--run-image", f"{place}/run:1")

    _each_finds_what_the_other_kept(workload, caching, first, f"{place}/app", words)


def _each_finds_what_the_other_kept(
    workload: object, caching: str, first: str, image: str, words: tuple[str, ...]
) -> None:
    app = str(workload.trivial_app)  # type: ignore[attr-defined]
    common = ["--builder", caching, "--path", app, "--pull-policy", "never", *words]
    pack = [PACK, "build", image, *common, "--trust-builder"]
    pybuild = [sys.executable, "-m", "pybuild", "build", image, *common]
    theirs, ours = (pack, pybuild) if first == "pack" else (pybuild, pack)

    try:
        made, kept = _said(*theirs), _said(*ours)
    finally:
        subprocess.run(
            [sys.executable, "-m", "pybuild", "cache", "rm", image], capture_output=True, check=False
        )
        subprocess.run(["docker", "rmi", "-f", image], capture_output=True, check=False)

    assert ("dep: made" in made, "tool: made" in made) == (True, True), made
    assert ("dep: kept" in kept, "tool: kept" in kept) == (True, True), kept


def _said(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
