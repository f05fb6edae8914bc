"""The packages of the app and their programs, as Cargo tells them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild.libcnb import command
from rust import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_DEFAULTS = ("web", "server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A binary target and its package. `default`: the one that `cargo run` would run."""

    name: str
    package: str
    default: bool = False


def programs(
    cargo: Path, app: Path, environ: Mapping[str, str], members: Sequence[str]
) -> tuple[Program, ...]:
    """The programs of these members, else of the workspace's default ones. Raises `ToolFailed` or a `Problem`."""
    text = command.read([cargo, "metadata", "--format-version=1", "--no-deps"], environ=environ, cwd=app)
    return read(json.loads(text), members)


def read(metadata: Mapping[str, Any], members: Sequence[str]) -> tuple[Program, ...]:
    """The same from what `cargo metadata` says."""
    packages = {package["name"]: package for package in metadata["packages"]}
    for name in members:
        if name not in packages:
            raise errors.no_such_member(name, sorted(packages))
    usual = set(metadata.get("workspace_default_members") or metadata["workspace_members"])
    chosen = [
        package
        for package in packages.values()
        if (package["name"] in members if members else package["id"] in usual)
    ]
    found = tuple(
        Program(
            name=target["name"],
            package=package["name"],
            default=package.get("default_run") == target["name"],
        )
        for package in chosen
        for target in package["targets"]
        if "bin" in target["kind"]
    )
    if not found:
        raise errors.no_programs([package["name"] for package in chosen])
    return found


def default(found: Iterable[Program]) -> Program:
    """The program that `web` starts: one called web or server, a package's default-run, else the first."""
    found = tuple(found)
    for name in _DEFAULTS:
        for program in found:
            if program.name == name:
                return program
    return next((program for program in found if program.default), found[0])
