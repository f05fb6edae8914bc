"""What a build left in the layers directory, read back: for an exporter that is a program of its own.

Specification: platform.md, "exporter" / Inputs; buildpack.md, "Data Format". GO-11.
"""

from __future__ import annotations

import glob
import os
import posixpath
from typing import TYPE_CHECKING

from pybuild.errors import ExportError, InvalidFile
from pybuild.lifecycle import layers_dir as folders
from pybuild.lifecycle.build import Built, BuiltBuildpack, BuiltLayer
from pybuild.lifecycle.env_dirs import readable
from pybuild.lifecycle.outputs import NOT_LAYERS
from pybuild.lifecycle.scripts import run_lines
from pybuild.spec.api import check_buildpack_api
from pybuild.spec.launch import Metadata, StoreToml
from pybuild.spec.layer import LayerToml
from pybuild.spec.names import check_layer_name, escape_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.buildenv.api import BuildEnv, Refused
    from pybuild.spec.order import Group, GroupElement


def read_built(env: BuildEnv, group: Group, layers_dir: str) -> Built:
    """The result of the build of `group`; a round trip for each buildpack and two more.

    `ExportError` for a file that is missing, unreadable or malformed; `BuildpackApiUnsupported` for a buildpack.
    """
    path = f"{layers_dir}/config/metadata.toml"
    escaped = [f"{glob.escape(layers_dir)}/{glob.escape(escape_id(it.id))}" for it in group.buildpacks]
    patterns = [glob.escape(path), *(f"{own}/{name}.toml" for own in escaped for name in ("*", ".*"))]
    files = env.read_files(patterns)
    if path not in files:
        raise ExportError(f"there is no {path}", hint="run the builder first")
    try:
        text = readable(path, files[path])
        return Built(
            metadata=Metadata.read(text, path),
            metadata_toml=text,
            buildpacks=tuple(_left_by(env, element, files, layers_dir) for element in group.buildpacks),
            sbom_dirs=_sbom_dirs(env, f"{layers_dir}/sbom"),
        )
    except InvalidFile as exc:
        raise ExportError(str(exc), hint=exc.hint) from exc


def _left_by(
    env: BuildEnv, element: GroupElement, files: Mapping[str, bytes | Refused], layers_dir: str
) -> BuiltBuildpack:
    own = f"{layers_dir}/{escape_id(element.id)}"
    api = check_buildpack_api(element.api, f"buildpack {element}")
    kinds = folders.read_found(run_lines(env, folders.tidying(own, ()), first=folders.FUNCTIONS), own).kinds
    layers = []
    store = None
    for path in sorted((path for path in files if posixpath.dirname(path) == own), key=os.fsencode):
        name = posixpath.basename(path).removesuffix(".toml")
        content = readable(path, files[path])
        if name in NOT_LAYERS:
            store = StoreToml.read(content, path) if name == "store" else store
            continue
        check_layer_name(name, path)
        toml = LayerToml.read(content, path, api)
        found = kinds.get(name, "d")
        if found != "d" and (toml.launch or toml.cache):
            raise InvalidFile(f"{own}/{name}: a layer must be a directory")
        layers.append(
            BuiltLayer(name=name, path=f"{own}/{name}", toml=toml, has_directory=kinds.get(name) == "d")
        )
    layers.sort(key=lambda layer: os.fsencode(layer.name))
    return BuiltBuildpack(module=element, layers=tuple(layers), store=store)


def _sbom_dirs(env: BuildEnv, folder: str) -> frozenset[str]:
    found = folders.read_found(
        run_lines(env, folders.tidying(folder, ()), first=folders.FUNCTIONS), folder
    ).kinds
    return frozenset(name for name, kind in found.items() if kind == "d")
