"""The bill of materials of a Java app: each jar by its Maven coordinates.

A jar does not know them for sure. The repository from which the build took it does, by its folders; else a `pom.properties`
in the jar; else its manifest and its file's name.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from java.jar import Jar
from pybuild.libcnb import purl
from pybuild.libcnb.sbom import Component

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Coordinates = tuple[str, str, str]

_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_FILE = re.compile(r"(?P<artifact>.+?)-(?P<version>\d[\w.+-]*)")


def components(app: Path, libraries: Iterable[str], repository: Path | None) -> tuple[Component, ...]:
    """The jars of an app, `libraries` relative to it. `repository`: Maven's or Gradle's downloads."""
    known = index(repository) if repository else {}
    return tuple(_component(app, name, known) for name in libraries)


def index(repository: Path) -> Mapping[str, Coordinates]:
    """Group, artifact and version by file name, from the folders of a Maven repository or Gradle's cache."""
    found: dict[str, Coordinates] = {}
    gradle = repository / "caches/modules-2/files-2.1"
    root = gradle if gradle.is_dir() else repository
    for folder, _, files in os.walk(root):
        parts = Path(folder).relative_to(root).parts
        for name in files:
            if not name.endswith(".jar"):
                continue
            if root == gradle and len(parts) == 4:
                found[name] = (parts[0], parts[1], parts[2])
            elif root != gradle and len(parts) >= 3:
                found[name] = (".".join(parts[:-2]), parts[-2], parts[-1])
    return found


def of_jar(path: Path) -> Coordinates:
    """The coordinates that a jar tells of itself; the group is a guess where it has no `pom.properties`."""
    jar = Jar.read(path)
    poms = [name for name in jar.names if _POM.fullmatch(name)]
    if len(poms) == 1:
        told = dict(re.findall(r"^(\w+)\s*=\s*(\S+)", jar.text(poms[0]), re.MULTILINE))
        if {"groupId", "artifactId", "version"} <= told.keys():
            return told["groupId"], told["artifactId"], told["version"]
    found = _FILE.fullmatch(path.stem)
    artifact, version = (found["artifact"], found["version"]) if found else (path.stem, "")
    manifest = jar.manifest
    symbolic = manifest.get("Bundle-SymbolicName", "").split(";")[0] or manifest.get(
        "Automatic-Module-Name", ""
    )
    group = manifest.get("Implementation-Vendor-Id") or symbolic or artifact
    return group, artifact, version or manifest.get("Implementation-Version", "")


def _component(app: Path, name: str, known: Mapping[str, Coordinates]) -> Component:
    path = app / name
    group, artifact, version = known.get(path.name) or of_jar(path)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Component(
        name=f"{group}:{artifact}",
        version=version,
        purl=purl.maven(group, artifact, version),
        hashes={"SHA-256": digest},
        where=name,
    )
