"""What one bin/build left in its layers directory, as values: parsed once, checked once, whole or not at all.

Specification: buildpack.md, "Phase #5: Build" and "Data Format".
"""

from __future__ import annotations

import glob
import os
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pybuild.errors import InvalidFile
from pybuild.events import warn
from pybuild.lifecycle.env_dirs import patterns, readable
from pybuild.spec.launch import BuildToml, LaunchToml, StoreToml
from pybuild.spec.layer import LayerToml
from pybuild.spec.names import check_layer_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.buildenv.api import Refused
    from pybuild.spec.api import ApiVersion

NOT_LAYERS: Final = ("build", "launch", "store")
"""Names whose `.toml` means something else: the specification forbids layers of these names."""

ENV_DIRS: Final = ("env", "env.build")
"""Directories of a build layer whose files change the environment of later buildpacks, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What one bin/build wrote. `layers`: every `<name>.toml`, in the order of these files' names.

    `store` None: there is no store.toml. `env_files`: all in `ENV_DIRS` of any layer, by absolute path, unchecked.
    """

    layers: Mapping[str, LayerToml]
    launch: LaunchToml
    build: BuildToml
    store: StoreToml | None
    env_files: Mapping[str, bytes | Refused]


def output_patterns(directory: str) -> list[str]:
    """What to read of a buildpack's layers `directory`: metadata and environment, never a layer's contents."""
    base = glob.escape(directory)
    found = [f"{base}/*.toml", f"{base}/.*.toml"]
    for layer in ("*", ".*"):
        for env_dir in ENV_DIRS:
            found += patterns(directory, f"{layer}/{env_dir}")
    return found


def read_outputs(
    files: Mapping[str, bytes | Refused], *, directory: str, api: ApiVersion, buildpack_id: str
) -> Outputs:
    """The values of `files`, contents by absolute path. `InvalidFile` names the one that breaks the specification."""
    tomls = _tomls(files, directory)
    layers = {}
    for name, content in tomls.items():
        file = f"{directory}/{name}.toml"
        if name not in NOT_LAYERS:
            check_layer_name(name, file)
        layers[name] = LayerToml.read(content, file, api)
    store = tomls.get("store")
    return Outputs(
        layers=layers,
        launch=LaunchToml.read(tomls.get("launch", b""), f"{directory}/launch.toml", api, buildpack_id),
        build=BuildToml.read(tomls.get("build", b""), f"{directory}/build.toml"),
        store=None if store is None else StoreToml.read(store, f"{directory}/store.toml"),
        env_files={path: content for path, content in files.items() if posixpath.dirname(path) != directory},
    )


def check_unmet(unmet: Sequence[str], asked: Sequence[str], file: str) -> None:
    """Raise `InvalidFile` unless each name in `unmet` was `asked` of this buildpack. buildpack.md, "build.toml"."""
    for number, name in enumerate(unmet):
        if name not in asked:
            known = ", ".join(dict.fromkeys(asked)) or "nothing"
            raise InvalidFile(
                f"{file}: unmet[{number}].name: {name!r} was not asked of this buildpack, which got: {known}"
            )


def check_directories(layers: Mapping[str, LayerToml], kinds: Mapping[str, str], directory: str) -> None:
    """Raise `InvalidFile` for a layer in use that is anything but a real directory (or absent).

    `kinds`: kind by name, as in `buildenv.api.Entry`, of what is in `directory`.
    """
    for name, layer in layers.items():
        kind = kinds.get(name, "d")
        if kind != "d" and (layer.build or layer.launch or layer.cache):
            found = {"l": "a symbolic link", "f": "a file"}.get(kind, "a special file")
            raise InvalidFile(f"{directory}/{name}: a layer must be a directory, but this is {found}")
        if name in NOT_LAYERS and name in kinds:
            warn(f"{directory}/{name}: no layer may be named {name}; its types are those in {name}.toml")


def _tomls(files: Mapping[str, bytes | Refused], directory: str) -> dict[str, bytes]:
    """Content by name without `.toml`, in the order in which files are named: `a-b.toml` before `a.toml`."""
    paths = sorted(
        (path for path in files if posixpath.dirname(path) == directory and path.endswith(".toml")),
        key=os.fsencode,
    )
    return {posixpath.basename(path).removesuffix(".toml"): readable(path, files[path]) for path in paths}
