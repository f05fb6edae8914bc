"""How what one buildpack says reaches the next ones and the image: plan, environment and processes, merged.

Specification: buildpack.md, "Phase #5: Build", "Environment" and "launch.toml".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.events import warn
from pybuild.lifecycle.outputs import ENV_DIRS
from pybuild.spec import environ
from pybuild.spec.plan import BuildpackPlan, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pybuild.lifecycle.layers_dir import Found
    from pybuild.lifecycle.outputs import Outputs
    from pybuild.spec.launch import Process


def plan_of(plan: Plan, module_id: str, *, extension: bool = False) -> BuildpackPlan:
    """What one module has to provide: the requirements of every entry that names it as a provider. BUI-03."""
    return BuildpackPlan(
        entries=tuple(
            require
            for entry in plan.entries
            if any((it.id, it.extension) == (module_id, extension) for it in entry.providers)
            for require in entry.requires
        )
    )


def without_met(plan: Plan, met: Iterable[str]) -> Plan:
    """`plan` without the entries that require one of the names that a buildpack has `met`. BUI-04."""
    names = frozenset(met)
    return Plan(
        entries=tuple(
            entry for entry in plan.entries if names.isdisjoint(require.name for require in entry.requires)
        )
    )


def merge_processes(lists: Iterable[Sequence[Process]]) -> tuple[tuple[Process, ...], str]:
    """All buildpacks' processes by type, and the type of the default one or "". buildpack.md, "launch.toml".

    The last definition of a type wins. The last default is the default, until its type is defined again by a
    process that is none.
    """
    merged: dict[str, Process] = {}
    default = ""
    for processes in lists:
        for process in processes:
            if process.default:
                default = process.type
            elif process.type and process.type == default:
                default = ""
                warn(
                    f"{process.buildpack_id} redefines the default process type {process.type} and does not"
                    f" mark it as default: there is no default process now"
                )
            merged[process.type] = replace(process, default=False)
    return tuple(merged[type_] for type_ in sorted(merged)), default


def build_layer_environ(
    start: Mapping[str, str], directory: str, outputs: Outputs, found: Found, env_files: Mapping[str, bytes]
) -> dict[str, str]:
    """`start` after the build layers of one buildpack: paths, then `env`, then `env.build`, layer by layer.

    `env_files`: readable contents by absolute path. buildpack.md, "Build Layers" and "Environment".
    """
    by_dir: dict[str, dict[str, bytes]] = {}
    for path, content in env_files.items():
        env_dir, _, file = path.rpartition("/")
        by_dir.setdefault(env_dir, {})[file] = content
    result = dict(start)
    for name, layer in outputs.layers.items():
        if layer.build:
            path = f"{directory}/{name}"
            result = environ.with_layer_paths(result, path, found.path_dirs.get(name, ()))
            for env_dir in ENV_DIRS:
                where = f"{path}/{env_dir}"
                result = environ.apply(result, environ.read_env_dir(by_dir.get(where, {}), where=where))
    return result
