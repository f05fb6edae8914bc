"""Rebase beside `pack` and the Go lifecycle: the same inputs give the same image, whoever built the app.

Needs `PACK` (a pack program) and `CNB_LIFECYCLE_DIR` (a folder with the Go programs `lifecycle` and `launcher`).
REB-01 to REB-11, GO-79.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.oci import model
from pybuild.oci.reference import Reference
from pybuild.stores.daemon import DaemonStore
from pybuild.stores.keychain import Keychain
from pybuild.stores.registry import RegistryStore
from support.rebasing import layer, put_app, put_run_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import docker

    from support.registry import Registry

ROOT = Path(__file__).parents[2]
PACK, LIFECYCLE = os.environ.get("PACK", ""), os.environ.get("CNB_LIFECYCLE_DIR", "")

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not (PACK and LIFECYCLE), reason="PACK and CNB_LIFECYCLE_DIR name no peer"),
]

PYBUILD = [sys.executable, "-m", "pybuild"]
RUN_BASE = "pybuild/run:debian-12"


def call(*words: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PACK_VOLUME_KEY": "pybuild-test", **(environ or {})},
    )


def output(*words: str) -> str:
    """Standard output of a program that must succeed."""
    done = call(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def apps(engine: docker.APIClient, test_run: str, tmp_path: Path) -> Iterator[Mapping[str, list[str]]]:
    """Two app images in the engine, and the words to rebase them with: one that `pack` built with the Go lifecycle, and
    one that pybuild built with its own builder. Their run image was replaced since."""
    output(*PYBUILD, "doctor", "--prepare", "--quiet")
    run = f"{test_run}/beside-run"
    engine.tag(RUN_BASE, run, "1")
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import workload
    finally:
        sys.path.pop(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workload, "RUN_BASE", f"{run}:1")
        made = workload.prepare(tmp_path, PACK, Path(LIFECYCLE), prefix=test_run)
    theirs, ours = f"{test_run}/beside-theirs", f"{test_run}/beside-ours"
    words = ["--builder", made.trivial_builder, "--path", str(made.trivial_app), "--pull-policy", "never"]
    output(PACK, "build", theirs, *words, "--trust-builder")
    app = tmp_path / "procfile"
    app.mkdir()
    (app / "Procfile").write_text("web: echo hello\n")
    output(*PYBUILD, "build", ours, "--path", str(app), "--network", "none")
    _replace_run_image(DaemonStore(engine), f"{run}:1")
    yield {theirs: [], ours: ["--run-image", f"{run}:1", "--force"]}
    for name in (theirs, ours, made.builder, made.trivial_builder, f"{run}:1"):
        engine.remove_image(name, force=True)
    subprocess.run([*PYBUILD, "cache", "rm", ours], capture_output=True, check=False)
    for volume in engine.volumes()["Volumes"] or ():
        if f"{test_run}_beside-theirs" in volume["Name"]:
            engine.remove_volume(volume["Name"])


def _replace_run_image(store: DaemonStore, name: str) -> None:
    """A newer one of that name: a further layer and another day."""
    base = store.find(name)
    assert base is not None
    config: Any = base.config["config"]
    labels = {**base.labels, "io.buildpacks.base.released": "2099-01-01"}

    def make_config(diff_ids: Sequence[str]) -> bytes:
        return model.encode_config(
            {
                **base.config,
                "config": {**config, "Labels": labels},
                "history": [{"created_by": "a patch"}] * len(diff_ids),
                "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            }
        )

    store.write(base, [layer("patched")], make_config, [Reference.parse(name)], None)


@pytest.mark.docker
def test_in_an_engine_both_tools_make_the_same_image_of_either_ones_app(
    apps: Mapping[str, list[str]], engine: docker.APIClient, tmp_path: Path
) -> None:
    for app, words in apps.items():
        before = engine.inspect_image(app)["Id"]
        made, reports = [], []
        for tool in (PYBUILD, [PACK]):
            engine.tag(before, f"{app}-rebased")
            folder = tmp_path / "report"
            folder.mkdir(exist_ok=True)
            name, out = f"{app}-rebased", ["--report-output-dir", str(folder)]
            output(*tool, "rebase", name, *words, *out, "--pull-policy", "never")
            made.append(engine.inspect_image(name)["Id"])
            reports.append(_without_tag((folder / "report.toml").read_text()))
            engine.remove_image(name, force=True)

        assert made[0] == made[1] != before
        assert reports[0] == reports[1]


def _without_tag(report: str) -> str:
    """Of an engine's image Go also tells the size of a manifest that nobody keeps; it writes names as they were given."""
    return re.sub(r"  (manifest-size|tags) = .*\n", "", report)


ENVIRON = {"HOME": "/nonexistent"}
OLD_STACK = {"io.buildpacks.stack.id": "io.x", "io.buildpacks.stack.mixins": '["a"]'}


def _published(registry: Registry, *, oci: bool, app_api: str, run: Mapping[str, Any]) -> None:
    store = RegistryStore(Keychain(ENVIRON), environ=ENVIRON)
    host = registry.host
    base = put_run_image(store, f"{host}/acme/run:1", "old", variant="v1", labels=OLD_STACK)
    for name in ("ours", "theirs"):
        put_app(store, f"{host}/acme/{name}:1", base, f"{host}/acme/run:1", "one", "two", api=app_api)
    put_run_image(store, f"{host}/acme/run:1", "new", "newer", **run)
    if oci:
        for repository in ("run", "ours", "theirs"):
            _, text = registry.manifests[f"acme/{repository}", "1"]
            value = {**json.loads(text), "mediaType": model.OCI_MANIFEST, "annotations": {"a": "b"}}
            value["config"]["mediaType"] = model.OCI_CONFIG
            value["layers"][0]["mediaType"] = model.OCI_LAYER
            registry.put_manifest(f"acme/{repository}", "1", model.OCI_MANIFEST, value)


@pytest.mark.parametrize(
    ("api", "app_api", "words", "oci", "run"),
    [
        ("0.7", "0.7", [], False, {"labels": OLD_STACK}),
        ("0.9", "0.9", [], True, {"labels": {**OLD_STACK, "io.buildpacks.stack.mixins": '["run:a", "b"]'}}),
        ("0.11", "0.11", [], False, {"labels": {"io.buildpacks.stack.id": "io.y"}}),
        ("0.11", "0.11", [], False, {"labels": {"io.buildpacks.stack.id": "io.x"}}),
        ("0.12", "0.12", [], False, {"labels": {"io.buildpacks.base.x": "<y>", "z": "1"}}),
        ("0.12", "0.11", ["-force"], False, {"labels": {"io.buildpacks.stack.id": "io.y"}}),
        ("0.13", "0.12", [], True, {"variant": "v1", "os.version": "5"}),
        ("0.14", "0.14", [], False, {"variant": "v2"}),
        ("0.14", "0.14", ["-force"], False, {"variant": "v2", "architecture": "arm64"}),
        ("0.15", "0.15", [], False, {"labels": {"io.buildpacks.base.distro.version": "13"}}),
        ("0.15", "0.15", ["-force"], True, {"labels": {"io.buildpacks.base.distro.version": "13"}}),
        ("0.15", "0.15", ["-run-image", "{host}/acme/other"], False, {}),
        ("0.15", "0.15", ["-run-image", "{host}/acme/other", "-force"], False, {}),
        ("0.15", "0.15", ["-previous-image", "{host}/acme/app"], False, {}),
        ("0.15", "0.15", ["-previous-image", "{host}/acme/app", "{host}/acme/{tool}"], False, {}),
    ],
)  # fmt: skip
def test_in_a_registry_the_program_does_what_the_go_program_does(
    registry: Registry,
    tmp_path: Path,
    api: str,
    app_api: str,
    words: list[str],
    oci: bool,
    run: dict[str, Any],
) -> None:
    _published(registry, oci=oci, app_api=app_api, run=run)
    for tag, source in (("other", "run"), ("app", "ours")):
        media_type, text = registry.manifests[f"acme/{source}", "1"]
        for key in [key for key in registry.blobs if key[0] == f"acme/{source}"]:
            registry.blobs[f"acme/{tag}", key[1]] = registry.blobs[key]
        registry.put_manifest(f"acme/{tag}", "latest", media_type, text)
    (tmp_path / "rebaser").symlink_to(Path(LIFECYCLE) / "lifecycle")
    uid = {"CNB_USER_ID": str(os.geteuid()), "CNB_GROUP_ID": str(os.getegid())}
    ended = {}
    for name, program in {
        "theirs": [str(tmp_path / "rebaser")],
        "ours": [sys.executable, "-m", "pybuild.cli.phases.programs", "rebaser"],
    }.items():
        report = tmp_path / f"{name}.toml"
        given = [word.format(host=registry.host, tool=name) for word in words]
        image = f"{registry.host}/acme/{name}:1"
        done = call(
            *(*program, "-report", str(report), *given, image), environ={"CNB_PLATFORM_API": api, **uid}
        )
        told = report.read_text().replace(f"/acme/{name}", "/acme/app") if report.exists() else ""
        ended[name] = (done.returncode, registry.manifests[f"acme/{name}", "1"], told)
        assert (done.returncode == 0) is bool(told), done.stdout + done.stderr

    assert ended["ours"] == ended["theirs"]


def test_in_a_registry_pack_gets_the_same_digest(registry: Registry, tmp_path: Path) -> None:
    _published(registry, oci=False, app_api="0.15", run={})

    for name, tool in (("theirs", [PACK]), ("ours", PYBUILD)):
        folder = tmp_path / name
        folder.mkdir()
        output(
            *(*tool, "rebase", f"{registry.host}/acme/{name}:1", "--publish"),
            *("--report-output-dir", str(folder)),
        )

    assert registry.manifests["acme/ours", "1"] == registry.manifests["acme/theirs", "1"]
    reports = [(tmp_path / name / "report.toml").read_text() for name in ("ours", "theirs")]
    assert reports[0] == reports[1].replace("/theirs:", "/ours:")
