"""Recorded whole exports, done again: the case's tree below a root directory of our own, the exporter's files as values."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.lifecycle import image_config
from pybuild.lifecycle.analyze import analyze
from pybuild.lifecycle.build import Built, BuiltBuildpack, BuiltLayer
from pybuild.lifecycle.create import CreateInputs, Places, analyzed, create
from pybuild.lifecycle.export import ExportInputs, export
from pybuild.lifecycle.extended import read_extended
from pybuild.lifecycle.image_layers import LauncherSource
from pybuild.oci.reference import Reference
from pybuild.platform.run_image import mirrors_of
from pybuild.spec.analyzed import RunToml, StackToml
from pybuild.spec.api import ApiVersion, check_buildpack_api
from pybuild.spec.labels import LauncherIdentity, ProjectMetadata
from pybuild.spec.launch import Metadata, StoreToml
from pybuild.spec.layer import LayerToml
from pybuild.spec.names import escape_id
from pybuild.spec.order import Group, OrderFile
from support.chroot import base_layer, plant
from support.images import FolderStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.buildenv.api import BuildEnv
    from pybuild.spec.order import GroupElement
    from pybuild.spec.run_image import RunImageName

# What the Go lifecycle that made the recordings says of itself.
IDENTITY = LauncherIdentity(
    version="0.21.17", repository="github.com/buildpacks/lifecycle", commit="4bd4b13e"
)
LAUNCHER = LauncherSource(path="/cnb/lifecycle/launcher")
OWN = ("/cnb", "/layers", "/workspace", "/platform")


@dataclass(frozen=True)
class Replayed:
    """One image as it was written. `tags`: of the report."""

    config_text: str
    diff_ids: tuple[str, ...]
    tags: tuple[str, ...]


def store_with_base(case: Mapping[str, Any], folder: Path) -> FolderStore:
    """A store of the case's kind with its run image, which it calls as the recording did."""
    base, parameters = case["base"], case["parameters"]
    store = FolderStore(folder, like=parameters["target"])
    layers = [base_layer(layer["tar_entries"]) for layer in base["layers"]]
    name = Reference.parse(parameters["run_image"])
    image_id = base["image_id"]
    if parameters["target"] == "registry":
        image_id = f"{name.registry}/{name.repository}@{base['manifest_digest']}"
    store.add(parameters["run_image"], base["config_text"].encode(), layers, id=image_id)
    return store


def clear() -> None:
    """Empty the root directory that we have now of what a case puts there."""
    for folder in OWN:
        if os.path.lexists(folder):
            shutil.rmtree(folder)


def replay_export(case: Mapping[str, Any]) -> list[Replayed]:
    """All builds of a case of the kind `export`, one after the other. To be called in a chroot."""
    parameters = case["parameters"]
    store = store_with_base(case, Path("/tmp/store"))
    env = LocalBuildEnv(parameters["uid"], parameters["gid"])
    done = []
    for build in case["builds"]:
        clear()
        plant(build["tree"])
        done.append(_replayed(store, _export(case, env, store)))
    return done


def replay_create(case: Mapping[str, Any], env: BuildEnv, store: FolderStore, order: bytes) -> Replayed:
    """One build of a case of the kind `creator`; its tree is in `env` already. `order`: of /cnb/order.toml."""
    parameters = case["parameters"]
    names = [Reference.parse(name) for name in parameters["output_images"]]
    api = ApiVersion.parse(parameters["platform_api"])
    created = create(
        env,
        store,
        analyzed(store, previous=names[0], run_image=parameters["run_image"]),
        CreateInputs(
            names=names,
            run_image_names=_run_image_names(case, api),
            order=OrderFile.read(order, "/cnb/order.toml"),
            platform_api=api,
            environ={"PATH": "/usr/bin:/bin", **parameters["env"]},
            launcher=LAUNCHER,
            launcher_identity=IDENTITY,
            places=Places(),
        ),
    )
    return _replayed(store, created.exported)


def _replayed(store: FolderStore, exported: Any) -> Replayed:
    written = exported.written
    return Replayed(store.config(written.image_id).decode(), written.diff_ids, exported.report.tags)


def _export(case: Mapping[str, Any], env: LocalBuildEnv, store: FolderStore) -> Any:
    parameters = case["parameters"]
    names = [Reference.parse(name) for name in parameters["output_images"]]
    api = ApiVersion.parse(parameters["platform_api"])
    arguments = parameters["args"]
    project = Path("/layers/project-metadata.toml")
    return export(
        env,
        store,
        ExportInputs(
            built=built(api),
            analysis=analyze(store, previous=names[0], run_image=parameters["run_image"]),
            names=names,
            run_image=_run_image_names(case, api),
            layers_dir="/layers",
            app_dir="/workspace",
            platform_api=api,
            launcher=LAUNCHER,
            launcher_identity=IDENTITY,
            created=_created(parameters["env"]),
            default_process=arguments[arguments.index("-process-type") + 1]
            if "-process-type" in arguments
            else "",
            exec_env=parameters["env"].get("CNB_EXEC_ENV", "production"),
            project=ProjectMetadata.read(project.read_bytes(), str(project))
            if project.exists()
            else ProjectMetadata(),
            extended=read_extended(
                "/layers/extended/run", with_config="extend = true" in case.get("note", "")
            ),
        ),
    )


def _created(environ: Mapping[str, str]) -> str:
    # " 1700000000" is no number for the Go lifecycle: a warning, and the constant.
    epoch = environ.get("SOURCE_DATE_EPOCH", "")
    return image_config.created_time(int(epoch) if epoch and not epoch.startswith(" ") else None)


def _run_image_names(case: Mapping[str, Any], api: ApiVersion) -> RunImageName:
    """From run.toml, or before Platform API 0.12 from stack.toml, as the case's tree has them."""
    files = {item["path"]: item.get("content", "") for item in case["builds"][0]["tree"]}
    if api.minor < 12:
        return StackToml.read(files["/cnb/stack.toml"].encode(), "/cnb/stack.toml").run_image
    images = RunToml.read(files["/cnb/run.toml"].encode(), "/cnb/run.toml").images
    return mirrors_of(case["parameters"]["run_image"], images)


def built(platform_api: ApiVersion) -> Built:
    """What a builder left below /layers, as the exporter finds it."""
    text = Path("/layers/config/metadata.toml").read_bytes()
    group = Group.read(Path("/layers/group.toml").read_bytes(), "/layers/group.toml")
    sboms = Path("/layers/sbom")
    return Built(
        metadata=Metadata.read(text, "/layers/config/metadata.toml"),
        metadata_toml=text,
        buildpacks=tuple(map(_left_by, group.buildpacks)),
        sbom_dirs=frozenset(path.name for path in sboms.iterdir()) if sboms.exists() else frozenset(),
    )


def _left_by(element: GroupElement) -> BuiltBuildpack:
    folder = Path("/layers") / escape_id(element.id)
    api = check_buildpack_api(element.api, str(element))
    layers = [
        BuiltLayer(
            name=path.stem,
            path=str(path.with_suffix("")),
            toml=LayerToml.read(path.read_bytes(), str(path), api),
            has_directory=path.with_suffix("").is_dir(),
        )
        for path in sorted(folder.glob("*.toml"), key=lambda path: os.fsencode(path.stem))
        if path.stem not in ("launch", "build", "store")
    ]
    store = folder / "store.toml"
    return BuiltBuildpack(
        module=element,
        layers=tuple(layers),
        store=StoreToml.read(store.read_bytes(), str(store)) if store.exists() else None,
    )


def order_of(build: Mapping[str, Any]) -> bytes:
    """The case's /cnb/order.toml."""
    (found,) = (item["content"] for item in build["tree"] if item["path"] == "/cnb/order.toml")
    return str(found).encode()


def check(replayed: Replayed, expected: Mapping[str, Any]) -> None:
    """Assert that an image is the recorded one: what differs is told part by part, the bytes come last."""
    config = json.loads(replayed.config_text)
    assert list(replayed.diff_ids) == expected["diff_ids"]
    labels = config["config"]["Labels"]
    for name, value in expected["labels"].items():
        assert labels.get(name) == value, name
    assert config["history"] == expected["history"]
    assert replayed.config_text == expected["config_text"]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the root directory")
