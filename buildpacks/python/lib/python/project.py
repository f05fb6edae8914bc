"""What the app's files say: which tool locks its packages, which Python it asks for, what it is itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from pybuild.errors import InvalidFile
from pybuild.libcnb.app_files import AppFiles
from pybuild.spec import toml
from python import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST = "pyproject.toml"
FILES = AppFiles(64, errors.unreadable)

Tool = Literal["uv", "poetry", "pdm", "pipenv", "requirements", "manifest", "none"]

LOCKS: dict[str, Tool] = {
    "uv.lock": "uv",
    "poetry.lock": "poetry",
    "pdm.lock": "pdm",
    "Pipfile.lock": "pipenv",
}
MISSPELT = (
    "requirement.txt",
    "requirments.txt",
    "requirements.text",
    "Requirements.txt",
    "requirement",
    "requirments",
)
DEV_REQUIREMENTS = (
    "requirements-dev.txt",
    "requirements-test.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "requirements_dev.txt",
    "requirements_test.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """pyproject.toml. `scripts`: names of its console scripts. `built`: it has a build backend, so it can be installed.

    `poetry`: the table `tool.poetry`. `groups`: dependency groups (PEP 735) and optional dependencies that are for
    developers by their names.
    """

    exists: bool = False
    name: str = ""
    requires_python: str = ""
    scripts: tuple[str, ...] = ()
    built: bool = False
    dependencies: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    poetry: Mapping[str, Any] = field(default_factory=dict)
    project: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_project(self) -> bool:
        """Whether it describes a project, and not only the settings of some tool."""
        return bool(self.project or self.poetry or self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`tool`: what decides the packages. `files`: the files it reads, relative to the app. `unused`: passed over.

    `python`: place → version specifier, first wins.
    """

    tool: Tool
    files: tuple[str, ...]
    manifest: Manifest
    python: Mapping[str, str]
    unused: tuple[str, ...] = ()

    @classmethod
    def read(cls, app: Path, requirement_files: tuple[str, ...], *, dev: bool) -> Self:
        """The app's files; `dev` takes in those that only developers and tests need. Raises a `Problem`."""
        manifest = read_manifest(app)
        tool, files, unused = _tool(app, manifest, requirement_files, dev=dev)
        return cls(
            tool=tool, files=files, manifest=manifest, python=_python(app, manifest, tool), unused=unused
        )


def read_manifest(app: Path) -> Manifest:
    """pyproject.toml, an empty one when there is none. Raises a `Problem`."""
    file = app / MANIFEST
    if not file.is_file():
        return Manifest()
    document = read_toml(file)
    project, tool = _map(document, "project"), _map(document, "tool")
    poetry = _map(tool, "poetry")
    extras = tuple(_map(project, "optional-dependencies"))
    return Manifest(
        exists=True,
        name=str(project.get("name") or poetry.get("name") or ""),
        requires_python=_text(project, "requires-python"),
        scripts=tuple({**_map(project, "scripts"), **_map(poetry, "scripts")}),
        built="build-system" in document,
        dependencies=tuple(text for text in _list(project, "dependencies") if isinstance(text, str)),
        groups=tuple(_map(document, "dependency-groups")),
        extras=tuple(name for name in extras if name in ("dev", "test", "tests", "testing")),
        poetry=poetry,
        project=project,
    )


def read_toml(file: Path) -> dict[str, Any]:
    """A TOML file of the app. Raises a `Problem`."""
    data = FILES.data(file)
    try:
        return dict(toml.load(data, file=file.name, limit=FILES.mebibytes << 20).raw())
    except InvalidFile as exc:
        raise errors.unreadable(file.name, str(exc)) from exc


def normal(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _tool(
    app: Path, manifest: Manifest, asked: tuple[str, ...], *, dev: bool
) -> tuple[Tool, tuple[str, ...], tuple[str, ...]]:
    if asked:
        missing = [name for name in asked if not (app / name).is_file()]
        if missing:
            raise errors.no_such_requirements(missing[0])
        return "requirements", (*asked, *_dev_files(app, dev=dev)), ()
    locks = [name for name in LOCKS if (app / name).is_file()]
    if len(locks) > 1:
        raise errors.several_locks(tuple(locks))
    has_requirements = (app / "requirements.txt").is_file()
    if locks:
        other = "Pipfile" if LOCKS[locks[0]] == "pipenv" else MANIFEST
        if not (app / other).is_file():
            raise errors.lock_alone(locks[0], other)
        return LOCKS[locks[0]], (other, locks[0]), ("requirements.txt",) if has_requirements else ()
    if has_requirements:
        return "requirements", ("requirements.txt", *_dev_files(app, dev=dev)), ()
    return _without_lock(app, manifest)


def _without_lock(app: Path, manifest: Manifest) -> tuple[Tool, tuple[str, ...], tuple[str, ...]]:
    if (app / "Pipfile").is_file():
        raise errors.pipfile_without_lock()
    if manifest.is_project:
        return "manifest", (MANIFEST,), ()
    for name in ("setup.py", "setup.cfg"):
        if (app / name).is_file():
            return "manifest", (name,), ()
    for name in ("production", "prod", "base"):
        if (app / f"requirements/{name}.txt").is_file():
            return "requirements", (f"requirements/{name}.txt",), ()
    for name in MISSPELT:
        if (app / name).is_file():
            raise errors.misspelt(name)
    if (app / "environment.yml").is_file():
        raise errors.conda()
    return "none", (), ()


def _dev_files(app: Path, *, dev: bool) -> tuple[str, ...]:
    return tuple(name for name in DEV_REQUIREMENTS if dev and (app / name).is_file())


def _python(app: Path, manifest: Manifest, tool: Tool) -> dict[str, str]:
    poetry = _map(manifest.poetry, "dependencies").get("python")
    found = {
        ".python-version": FILES.first_line(app / ".python-version"),
        f"{MANIFEST} (requires-python)": manifest.requires_python,
        f"{MANIFEST} (tool.poetry.dependencies)": poetry if isinstance(poetry, str) else "",
    }
    if tool == "pipenv":
        requires = _map(_map(FILES.json_object(app / "Pipfile.lock"), "_meta"), "requires")
        found["Pipfile.lock"] = _text(requires, "python_version") or _text(requires, "python_full_version")
    found["runtime.txt"] = FILES.first_line(app / "runtime.txt")
    return {place: text for place, text in found.items() if text}


def _map(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
