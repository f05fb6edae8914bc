"""The rebaser as a program against recordings of the Go lifecycle: configuration, manifest and report byte for byte.

REB-02 to REB-10, RPT-01, LBL-05, GO-79. The registry is one of ours, so the recorded one's name is replaced, and what
depends on it is hashed again.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from support import golden, phase_programs
from support.exports import Replayed
from support.exports import check as check_image
from support.images import FolderStore
from support.rebasing import put_app, put_run_image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.registry import Registry

RECORDED_HOST = "localhost:5095"


def _of(target: str) -> list[Any]:
    return golden.cases(
        "images", only=lambda it: it["kind"] == "rebase" and it["parameters"]["target"] == target
    )


def _environ(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        **parameters["env"],
        "CNB_PLATFORM_API": parameters["platform_api"],
        "CNB_USER_ID": str(os.geteuid()),
        "CNB_GROUP_ID": str(os.getegid()),
    }


def _words(parameters: Mapping[str, Any], report: str) -> list[str]:
    daemon = ["-daemon"] if parameters["target"] == "daemon" else []
    run_image = [] if parameters["same_name"] else ["-run-image", parameters["new_run_image"]]
    return ["rebaser", *daemon, *run_image, "-report", report, *parameters["args"], parameters["image"]]


@pytest.mark.golden
@pytest.mark.parametrize("case", _of("daemon"))
def test_an_image_of_an_engine_is_rebased_as_recorded(case: dict[str, Any], tmp_path: Path) -> None:
    parameters, expected = case["parameters"], case["expected"]
    store = FolderStore(tmp_path / "store", like="daemon")
    store.add_bare(parameters["image"], case["before"]["config_text"].encode())
    store.add_bare(parameters["new_run_image"], case["new_base"]["config_text"].encode())
    report = str(tmp_path / "report.toml")

    ended = phase_programs.call(
        _words(parameters, report), _environ(parameters), store, opened=lambda it: it, read=[report]
    )

    assert ended.exit_code == 0, ended.output
    image_id = ended.store.names[Reference.parse(parameters["image"]).name]
    config = ended.store.config(image_id).decode()
    check_image(Replayed(config, tuple(json.loads(config)["rootfs"]["diff_ids"]), ()), expected)
    # Of an engine's image the size is of a manifest that nobody keeps, so it is not told.
    size = [line for line in expected["report_toml"].splitlines(True) if "manifest-size" in line]
    assert ended.files[report] == expected["report_toml"].replace(*size, "")


@pytest.mark.golden
@pytest.mark.parametrize("recorded", _of("registry"))
def test_an_image_of_a_registry_is_rebased_as_recorded(
    recorded: dict[str, Any], registry: Registry, tmp_path: Path
) -> None:
    case = json.loads(json.dumps(recorded).replace(RECORDED_HOST, registry.host))
    parameters, expected = case["parameters"], case["expected"]
    base, new_base = (
        Reference.parse(parameters["old_run_image"]),
        Reference.parse(parameters["new_run_image"]),
    )
    image = Reference.parse(parameters["image"])
    if not parameters["same_name"]:
        _put(registry, base, case["base"]["config_text"], case["base"]["manifest_text"])
    _put(registry, new_base, case["new_base"]["config_text"], case["new_base"]["manifest_text"])
    before = _on(case["before"]["manifest_text"], case["before"]["config_text"])
    _put(registry, image, case["before"]["config_text"], before)
    report = str(tmp_path / "report.toml")
    registry.seen.clear()

    ended = phase_programs.call(_words(parameters, report), _environ(parameters), None, read=[report])

    assert ended.exit_code == 0, ended.output
    manifest = registry.manifests[image.repository, image.tag][1].decode()
    config = registry.blobs[image.repository, json.loads(manifest)["config"]["digest"]].decode()
    check_image(Replayed(config, tuple(json.loads(config)["rootfs"]["diff_ids"]), ()), expected)
    assert manifest == _on(expected["manifest_text"], config)
    assert ended.files[report] == (
        f'[image]\n  tags = ["{image}"]\n  digest = "{sha256(manifest.encode())}"\n'
        f"  manifest-size = {len(manifest)}\n"
    )
    # No layer was read or sent: those of the new run image were mounted.
    assert registry.sent == len(config.encode())
    assert {path.rpartition("/")[2] for path in registry.asked("GET", "/blobs/")} == {
        json.loads(text)["config"]["digest"] for text in (before, case["new_base"]["manifest_text"])
    }


RUN, APP = "reg.example.com/run:1", "reg.example.com/app:1"


def _rebaser(store: FolderStore, *words: str, api: str = "0.15", **environ: str) -> Any:
    given = {"PATH": "/bin", "CNB_PLATFORM_API": api, "CNB_USER_ID": str(os.geteuid())}
    given |= {"CNB_GROUP_ID": str(os.getegid()), **environ}
    return phase_programs.call(["rebaser", *words], given, store, opened=lambda it: it)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """An app on a run image that has been replaced since."""
    found = FolderStore(tmp_path / "store")
    put_app(found, APP, put_run_image(found, RUN, "old"), RUN, "app")
    put_run_image(found, RUN, "new")
    return found


@pytest.mark.parametrize("daemon", [[], ["-daemon"]])
def test_the_run_image_is_the_one_that_the_app_names_and_all_names_get_the_image(
    store: FolderStore, daemon: list[str], tmp_path: Path
) -> None:
    """REB-02, REB-04"""
    names = ["reg.example.com/x:1", "reg.example.com/y:1"]
    words = ["-previous-image", APP, "-report", str(tmp_path / "report.toml"), *names]

    ended = _rebaser(store, *daemon, *words)

    assert ended.exit_code == 0, ended.output
    assert f"Rebasing {APP} on run image {RUN}" in ended.output
    images = {ended.store.names[name] for name in names}
    assert len(images) == 1
    assert images != {ended.store.names[APP]}
    assert ended.store.names[APP] == store.names[APP]


@pytest.mark.parametrize(
    ("words", "api", "environ", "code", "said"),
    [
        (["-run-image", "reg.example.com/other:1", APP], "0.15", {}, 72, "other:1 was not found"),
        (["reg.example.com/no:1"], "0.15", {}, 72, "reg.example.com/no:1, was not found"),
        ([RUN], "0.15", {}, 72, "was not built from buildpacks"),
        (["-run-image", "reg.example.com/alien:1", APP], "0.12", {}, 72, "architecture: "),
        (["-force", APP], "0.11", {}, 2, "flag provided but not defined: -force"),
        (["-previous-image", APP, APP], "0.10", {}, 2, "not defined: -previous-image"),
        (["-insecure-registry", "x", APP], "0.12", {}, 2, "not defined: -insecure-registry"),
        (["-report", "/dev/null/report.toml", APP], "0.15", {}, 72, "the image was saved, but /dev/null/report.toml"),
        (["-run-image", "reg.example.com/alien:1", APP], "0.15", {"CNB_FORCE_REBASE": "1"}, 0, "forced: architecture"),
        (["-image", "reg.example.com/alien:1", "-force", APP], "0.15", {}, 0, "forced: architecture"),
        ([APP], "0.15", {"CNB_RUN_IMAGE": "reg.example.com/alien:1"}, 72, "architecture: "),
    ],
)  # fmt: skip
def test_what_cannot_be_rebased_ends_with_its_exit_code_and_leaves_the_image(
    store: FolderStore,
    words: list[str],
    api: str,
    environ: dict[str, str],
    code: int,
    said: str,
    tmp_path: Path,
) -> None:
    """REB-01, REB-08, REB-09; spec-checklist §14"""
    put_run_image(store, "reg.example.com/alien:1", "new", architecture="arm64")
    report = [] if "-report" in words else ["-report", str(tmp_path / "report.toml")]

    ended = _rebaser(store, *report, *words, api=api, **environ)

    assert (ended.exit_code, said in ended.output) == (code, True), ended.output
    saved = code == 0 or "was saved" in said
    assert (ended.store.names[APP] != store.names[APP]) is saved
    assert (tmp_path / "report.toml").exists() is (code == 0)


def _on(manifest: str, config: str) -> str:
    """A recorded manifest that names this configuration."""
    value = json.loads(manifest)
    value["config"] |= {"size": len(config.encode()), "digest": sha256(config.encode())}
    return json.dumps(value, separators=(",", ":"))


def _put(registry: Registry, name: Reference, config: str, manifest: str) -> None:
    """An image whose layers nobody is to read."""
    registry.put_blob(name.repository, config.encode())
    value = json.loads(manifest)
    for layer in value["layers"]:
        registry.blobs[name.repository, layer["digest"]] = b""
    registry.put_manifest(name.repository, name.tag, value["mediaType"], manifest.encode())
