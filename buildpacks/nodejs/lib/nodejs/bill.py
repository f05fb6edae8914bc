"""The bill of materials of `node_modules`: what the app needs when it runs, found as Node.js finds it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybuild.libcnb import purl
from pybuild.libcnb.sbom import Component

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nodejs.manifest import Manifest

MAX_BYTES = 4 << 20
FOLDER = "node_modules"


@dataclass(frozen=True, slots=True)
class _Found:
    folder: Path
    value: Mapping[str, Any]


def components(app: Path, manifest: Manifest) -> tuple[Component, ...]:
    """One component for each package that a way of dependencies leads to, those for developers left out."""
    seen: dict[Path, Component] = {}
    waiting = [(app, name) for name in manifest.dependencies]
    for folder in _members(app) if manifest.workspaces else ():
        waiting += [(folder, name) for name in _needs(_read(folder / "package.json"))]
    while waiting:
        folder, name = waiting.pop()
        found = _resolve(app, folder, name)
        if found is None or found.folder in seen:
            continue
        seen[found.folder] = _component(app, found)
        waiting += [(found.folder, needed) for needed in _needs(found.value)]
    return tuple(component for component in seen.values() if component.version)


def starting(app: Path) -> tuple[tuple[str, str], ...]:
    """Of a workspace, the folders of packages with a script start, and its line."""
    found = []
    for folder in _members(app):
        scripts = _read(folder / "package.json").get("scripts")
        line = scripts.get("start") if isinstance(scripts, dict) else None
        if isinstance(line, str) and line:
            found.append((str(folder.relative_to(app)), line))
    return tuple(found)


def _members(app: Path) -> Iterator[Path]:
    """The folders of a workspace that are packages themselves, whatever pattern names them."""
    for folder, folders, files in os.walk(app):
        folders[:] = sorted(name for name in folders if name != FOLDER and not name.startswith("."))
        if "package.json" in files and Path(folder) != app:
            yield Path(folder)


def _resolve(app: Path, start: Path, name: str) -> _Found | None:
    """The package as `require` would find it from a folder: beside it, or beside a folder above; None for an optional one."""
    top = app.resolve()
    for folder in (start.resolve(), *start.resolve().parents):
        # node_modules/node_modules is looked into by nobody.
        candidate = folder / FOLDER / name
        if folder.name != FOLDER and (candidate / "package.json").is_file():
            real = candidate.resolve()
            value = _read(real / "package.json")
            return _Found(real, value) if real.is_relative_to(top) and value else None
        if folder == top:
            return None
    return None


def _read(file: Path) -> dict[str, Any]:
    if file.stat().st_size > MAX_BYTES:
        return {}
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _needs(value: Mapping[str, Any]) -> Iterator[str]:
    for key in ("dependencies", "optionalDependencies", "peerDependencies"):
        if isinstance(found := value.get(key), dict):
            yield from found


def _component(app: Path, found: _Found) -> Component:
    value = found.value
    name, version = str(value.get("name", "")), str(value.get("version", ""))
    author = value.get("author")
    return Component(
        name=name,
        version=version,
        purl=purl.npm(name, version),
        licences=tuple(_licences(value)),
        description=str(value.get("description") or ""),
        publisher=str(author.get("name", "") if isinstance(author, dict) else author or ""),
        homepage=str(value.get("homepage") or "") if isinstance(value.get("homepage"), str) else "",
        where=os.path.relpath(found.folder / "package.json", app.resolve()),
    )


def _licences(value: Mapping[str, Any]) -> Iterable[str]:
    found = value.get("license") or value.get("licenses")
    for one in found if isinstance(found, list) else [found]:
        text = one.get("type") if isinstance(one, dict) else one
        if isinstance(text, str) and text:
            yield text.strip("()")
