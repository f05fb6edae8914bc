"""The Tekton Task and kpack's pod of docs/how-to/kubernetes, run as they stand there: each step a container of its own.

Buildpacks try to write the platform's files and to read its logins; they may not. GO-02, GO-14, GEN-05, GEN-07.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild.oci.reference import Reference
from pybuild.platform.builders import builder_image
from pybuild.platform.buildpacks.modules import from_folder
from pybuild.spec.order import ModuleRef
from pybuild.spec.run_image import RunImageName
from pybuild.stores.daemon import DaemonStore
from support import pods

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from support.registry import DebianRegistry

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs/how-to/kubernetes"
BASE = "pybuild/build:debian-12"

_DESCRIPTOR = 'api = "0.10"\n[buildpack]\nid = "test/{name}"\nversion = "1"\n'
# What a thief and forger of a buildpack tries, in detection as in the build.
_TRY = r"""
for file in /control/analyzed.toml /control/group.toml /control/plan.toml /control/more /cnb/lifecycle/detector \
    /cnb/order.toml /cnb/run.toml /platform/env/X /layers/../control/group.toml; do
    if echo forged 2>/dev/null > "$file"; then echo "WROTE $file"; fi
    if rm -f "$file" 2>/dev/null && [ ! -e "$file" ] && [ -e "$(dirname "$file")/analyzed.toml" ]; then :; fi
done
mv /control/analyzed.toml /control/other 2>/dev/null && echo "MOVED analyzed.toml"
for secret in /registry/config.json /builder/home/.docker/config.json ~/.docker/config.json; do
    cat "$secret" 2>/dev/null && echo "READ $secret"
done
env | grep -i -E "DOCKER_CONFIG|REGISTRY_AUTH" && echo "READ a variable"
find / -xdev -name config.json 2>/dev/null | grep . && echo "FOUND a login"
id -u; id -G; grep CapEff /proc/self/status
"""
_DETECT = f"#!/bin/sh\n{_TRY}\nexit 0\n"
_BUILD = rf"""#!/bin/sh
{_TRY}
set -e
cd "$CNB_LAYERS_DIR"
if [ -f dep/made ]; then echo "kept"; else echo "made"; mkdir -p dep; date > dep/made; fi
printf '[types]\nlaunch = true\ncache = true\n' > dep.toml
cat "$CNB_PLATFORM_DIR/env/GREETING" > dep/greeting 2>/dev/null || echo none > dep/greeting
printf '[[processes]]\ntype = "web"\ncommand = ["/bin/cat", "/layers/test_hello/dep/greeting", "file.txt"]\ndefault = true\n' > launch.toml
"""
AUTH = {"username": "builder", "password": "correct horse"}


@dataclass(frozen=True)
class Site:
    """What a cluster would have: a builder, a lifecycle image, and a registry with a run image in it."""

    builder: str
    lifecycle: str
    run_image: str
    registry: DebianRegistry
    helper: str
    prefix: str


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    engine: docker.APIClient,
    lifecycle_image: str,
    gnu_image: str,
    busybox_image: str,
    debian_registry: DebianRegistry,
    test_run: str,
) -> Iterator[Site]:
    run_image = f"{debian_registry.host}/acme/run-phases"
    engine.tag(gnu_image, run_image, "1")
    pushed = list(engine.push(run_image, "1", auth_config=AUTH, stream=True, decode=True))
    assert not any("error" in step for step in pushed), pushed
    builder = f"{test_run}/phases-builder:1"
    _make_builder(engine, builder, f"{run_image}:1", tmp_path_factory.mktemp("buildpacks"))
    yield Site(builder, lifecycle_image, f"{run_image}:1", debian_registry, busybox_image, test_run)
    for name in (builder, f"{run_image}:1"):
        engine.remove_image(name, force=True)


def _make_builder(engine: docker.APIClient, name: str, run_image: str, folder: Path) -> None:
    modules = []
    for buildpack in ("hello", "other"):
        programs = folder / buildpack / "bin"
        programs.mkdir(parents=True)
        (folder / buildpack / "buildpack.toml").write_text(_DESCRIPTOR.format(name=buildpack))
        for program, text in {"detect": _DETECT, "build": _BUILD}.items():
            (programs / program).write_text(text)
            (programs / program).chmod(0o755)
        modules.append(from_folder(folder / buildpack))
    store = DaemonStore(engine)
    base = store.find(Reference.parse(BASE))
    assert base is not None
    definition = builder_image.Definition(
        description="for tests",
        modules=tuple(modules),
        order=((ModuleRef(id="test/hello", version="1"),),),
        run_images=(RunImageName(image=run_image),),
        files={},
        labels={},
    )
    builder_image.create(store, base, definition, Reference.parse(name))


@pytest.fixture
def task(site: Site) -> Iterator[pods.Pod]:
    """The Task of the docs with the run of the docs, but for names of images."""
    app = f"{site.registry.host}/acme/tekton"
    made = pods.task(
        DOCS / "tekton-task.yaml",
        DOCS / "tekton-run.yaml",
        params={
            "APP_IMAGE": f"{app}:main",
            "ADDITIONAL_NAMES": [f"{app}:other"],
            "BUILDER_IMAGE": site.builder,
            "LIFECYCLE_IMAGE": site.lifecycle,
            "CACHE_IMAGE": f"{app}-cache",
        },
        prefix=f"{site.prefix}-tekton",
        helper=site.helper,
    )
    yield from _ready(made, site, login="registry")


def _ready(made: pods.Pod, site: Site, *, login: str) -> Iterator[pods.Pod]:
    made.create()
    try:
        logins = json.loads((site.registry.config / "config.json").read_text())
        if login == "registry":
            made.put(login, "config.json", json.dumps(logins), mode="0440")
        else:
            made.inside(login, "mkdir -m 2775 /v/.docker")
            made.put(login, ".docker/config.json", json.dumps(logins), mode="0440")
        source = "source" if "source" in made.volumes else "workspace-dir"
        made.put(source, "file.txt", "\nan app\n", mode="0664")
        yield made
    finally:
        made.remove()


def _went_well(ended: list[pods.Ended], steps: int) -> str:
    assert [one.exit_code for one in ended] == [0] * steps, ended[-1].output
    for one in ended:
        for word in ("WROTE", "MOVED", "READ", "FOUND"):
            assert word not in one.output, one.output
    return "".join(one.output for one in ended)


def _app_says(image: str, engine: docker.APIClient) -> str:
    repository, _, tag = image.rpartition(":")
    engine.pull(repository, tag=tag, auth_config=AUTH)
    try:
        done = subprocess.run(
            ("docker", "run", "--rm", image), capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
    finally:
        engine.remove_image(image, force=True)


def test_the_tekton_task_builds_and_its_buildpacks_get_at_nothing_of_the_platforms(
    task: pods.Pod, site: Site, engine: docker.APIClient
) -> None:
    said = _went_well(task.run(), 9)
    digest = task.inside("results", "cat /v/APP_IMAGE_DIGEST")

    assert "\nmade\n" in said
    assert "\n1000\n1000\nCapEff:\t0000000000000000\n" in said
    assert _app_says(f"{site.registry.host}/acme/tekton:other", engine) == "hello from the cluster\nan app\n"

    # The next pod starts with empty volumes but for the source, and with the cache in the registry.
    for volume in ("lifecycle", "control", "detected", "platform", "layers", "results"):
        task.inside(volume, "rm -rf /v/*")
    again = _went_well(task.run(), 9)

    assert "\nkept\n" in again
    assert task.inside("results", "cat /v/APP_IMAGE_DIGEST") == digest
    assert len(digest) == len("sha256:") + 64


def test_a_group_that_detection_cannot_have_ended_with_stops_the_task(task: pods.Pod) -> None:
    _went_well(task.run("install", "prepare", "analyze", "detect"), 4)
    task.put("detected", "group.toml", '[[group]]\nid = "test/other"\nversion = "1"\napi = "0.10"\n')

    (ended,) = task.run("confirm")

    assert ended.exit_code == 22
    assert "the group (test/other@1) is none that the order stands for" in ended.output
    assert task.inside("control", "ls /v").split() == ["analyzed.toml"]


def test_the_pod_that_kpack_makes_runs_with_a_builder_that_has_our_lifecycle(
    site: Site, engine: docker.APIClient, tmp_path: Path
) -> None:
    builder = f"{site.prefix}/kpack-builder:1"
    app = f"{site.registry.host}/acme/kpack"
    (tmp_path / "Dockerfile").write_text(
        f"FROM {site.lifecycle} AS lifecycle\nFROM {site.builder}\nCOPY --from=lifecycle /cnb/lifecycle /cnb/lifecycle\n"
    )
    subprocess.run(
        ("docker", "build", "-q", "-t", builder, str(tmp_path)), check=True, capture_output=True, timeout=300
    )
    made = pods.pod(
        DOCS / "kpack-pod.yaml",
        images={
            "registry.example.com/team/kpack-builder": builder,
            "registry.example.com/team/run:debian-12": site.run_image,
            "registry.example.com/team/myapp": app,
        },
        prefix=f"{site.prefix}-kpack",
        helper=site.helper,
    )
    try:
        for ready in _ready(made, site, login="home-dir"):
            # kpack keeps the platform's files beside the layers: what they say there is not protected, logins are.
            ended = ready.run()
            assert [one.exit_code for one in ended] == [0] * 5, ended[-1].output
            assert not [one.step for one in ended if "READ" in one.output or "FOUND" in one.output]
            assert "digest = " in ready.inside("report-dir", "cat /v/report.toml")
            assert _app_says(f"{app}:latest", engine) == "none\n\nan app\n"
            again = ready.run()
            assert "\nkept\n" in again[3].output
    finally:
        engine.remove_image(builder, force=True)
