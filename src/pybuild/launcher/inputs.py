"""What the launcher of one app image has to know: its processes, and what its launch layers ask for.

Specification: platform.md, "launcher"; buildpack.md, "Launch", "Environment" and "Exec.d".
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild.spec.api import check_buildpack_api
from pybuild.spec.environ import LAUNCH_PATHS, EnvFile, read_env_dir
from pybuild.spec.names import escape_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pybuild.buildenv.api import Entry, Refused
    from pybuild.spec.api import ApiVersion
    from pybuild.spec.launch import Metadata, Process

ENV_DIRECTORIES = ("env", "env.launch")
"""Directories of env files that count for every process, in order; `env.launch/<type>` follows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchLayer:
    """One launch layer; all paths are relative to it.

    `paths`: those of `LAUNCH_PATHS` that are there. `environ`: env files by directory. `exec_d` and `profile_d`: every
    file in the directory of that name, and one level below it, in order.
    `unread` True: its files were not at hand, so the launcher looks for all of this when it runs.
    """

    name: str
    unread: bool = False
    paths: tuple[str, ...] = ()
    environ: Mapping[str, tuple[EnvFile, ...]] = field(default_factory=dict)
    exec_d: tuple[str, ...] = ()
    profile_d: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchBuildpack:
    """A buildpack of the group, with its launch layers in the order of their names' bytes."""

    id: str
    api: ApiVersion
    layers: tuple[LaunchLayer, ...] = ()

    @property
    def directory(self) -> str:
        """The name of its directory below the layers directory."""
        return escape_id(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Why nothing can be launched from this image, and the launcher's exit code then."""

    message: str
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherInputs:
    """All of it. `buildpacks`: in the order of the group.

    `layers_dir` and `app_dir`: where the image has them if CNB_LAYERS_DIR and CNB_APP_DIR do not say.
    """

    processes: tuple[Process, ...] = ()
    buildpacks: tuple[LaunchBuildpack, ...] = ()
    layers_dir: str = "/layers"
    app_dir: str = "/workspace"
    broken: Broken | None = None


def patterns(layers_dir: str) -> list[str]:
    """The files that `launch_inputs` wants to see, as patterns for `BuildEnv.read_files`."""
    root = re.sub(r"([*?[])", r"[\1]", layers_dir.rstrip("/"))
    return [
        f"{root}/*/*/{directory}/{name}"
        for directory in (*ENV_DIRECTORIES, "env.launch/*")
        for name in ("*", ".[!.]*")
    ]


def launch_inputs(
    metadata: Metadata,
    *,
    platform_api: ApiVersion,
    layers_dir: str,
    app_dir: str,
    entries: Iterable[Entry],
    files: Mapping[str, bytes | Refused],
    layers: Collection[tuple[str, str]] | None = None,
) -> LauncherInputs:
    """Everything the launcher needs, from a listing and file contents, both by absolute path.

    `entries`: what is below `layers_dir` (more does no harm). `files`: contents of what `patterns` names.
    `layers`: the image's launch layers (buildpack id, name); None for every directory there is. One without a
    directory comes from the previous image: the launcher will find out about it.
    Raises `BuildpackApiUnsupported`, and `InvalidFile` for an env file that no program can be given.
    """
    trees = _Trees.of(layers_dir.rstrip("/"), entries, files)
    buildpacks = []
    for element in metadata.buildpacks:
        api = check_buildpack_api(element.api, f"buildpack {element.id}")
        here = trees.layers(escape_id(element.id))
        names = here if layers is None else {name for owner, name in layers if owner == element.id}
        found = tuple(
            trees.layer(element.id, name) if name in here else LaunchLayer(name=name, unread=True)
            for name in sorted(names, key=os.fsencode)
        )
        buildpacks.append(LaunchBuildpack(id=element.id, api=api, layers=found))
    return LauncherInputs(
        processes=tuple(process.for_platform(platform_api) for process in metadata.processes),
        buildpacks=tuple(buildpacks),
        layers_dir=layers_dir,
        app_dir=app_dir,
    )


@dataclass(frozen=True, slots=True)
class _Trees:
    """The layers directory: for each directory in reach of us, the kinds of what it holds by name."""

    root: str
    kinds: Mapping[str, Mapping[str, str]]
    files: Mapping[str, bytes | Refused]

    @classmethod
    def of(cls, root: str, entries: Iterable[Entry], files: Mapping[str, bytes | Refused]) -> _Trees:
        kinds: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for entry in entries:
            # A layer may hold 100,000 files; only the ones a launcher looks at are taken apart.
            if entry.path.startswith(f"{root}/") and entry.path.count("/", len(root) + 1) <= 4:
                parent, _, name = entry.path.rpartition("/")
                kinds[parent][name] = entry.kind
        return cls(root, kinds, files)

    def layers(self, buildpack: str) -> set[str]:
        return {name for name, kind in self.kinds.get(f"{self.root}/{buildpack}", {}).items() if kind == "d"}

    def layer(self, buildpack_id: str, name: str) -> LaunchLayer:
        path = f"{self.root}/{escape_id(buildpack_id)}/{name}"
        inside = self.kinds.get(path, {})
        if any(inside.get(directory) == "l" for directory in (*ENV_DIRECTORIES, "exec.d", "profile.d")):
            return LaunchLayer(name=name, unread=True)
        environ = {}
        for directory in (*ENV_DIRECTORIES, *self._below(f"{path}/env.launch", "env.launch")):
            contents = self._contents(f"{path}/{directory}")
            if contents is None:
                return LaunchLayer(name=name, unread=True)
            if contents:
                environ[directory] = read_env_dir(contents, where=f"{path}/{directory}")
        return LaunchLayer(
            name=name,
            paths=tuple(directory for directory in LAUNCH_PATHS if directory in inside),
            environ=environ,
            exec_d=self._programs(path, "exec.d"),
            profile_d=self._programs(path, "profile.d"),
        )

    def _contents(self, directory: str) -> dict[str, bytes] | None:
        """File name to content; None when one of them cannot be told from here: a symlink, or a huge one."""
        found = {}
        for name, kind in self.kinds.get(directory, {}).items():
            if kind == "d":
                continue
            content = self.files.get(f"{directory}/{name}")
            if not isinstance(content, bytes):
                return None
            found[name] = content
        return found

    def _below(self, path: str, name: str) -> list[str]:
        directories = (child for child, kind in self.kinds.get(path, {}).items() if kind == "d")
        return [f"{name}/{child}" for child in sorted(directories, key=os.fsencode)]

    def _programs(self, layer: str, name: str) -> tuple[str, ...]:
        return tuple(
            f"{directory}/{file}"
            for directory in (name, *self._below(f"{layer}/{name}", name))
            for file, kind in sorted(
                self.kinds.get(f"{layer}/{directory}", {}).items(), key=lambda item: os.fsencode(item[0])
            )
            if kind != "d"
        )
