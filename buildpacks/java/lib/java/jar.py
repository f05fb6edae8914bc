"""Jar files from the outside: their manifest, what Spring Boot wrote into them, what makes them run."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from java import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST = "META-INF/MANIFEST.MF"
MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """An archive and its manifest's main attributes; `names`: its entries."""

    path: Path
    manifest: Mapping[str, str]
    names: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises a `Problem` when it is no zip archive."""
        try:
            with zipfile.ZipFile(path) as archive:
                names = tuple(archive.namelist())
                text = _text(archive, MANIFEST) if MANIFEST in names else ""
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as exc:
            raise errors.bad_jar(path.name, str(exc)) from exc
        return cls(path=path, manifest=main_attributes(text), names=names)

    @classmethod
    def is_executable(cls, path: Path) -> bool:
        """Whether `java -jar` could run the file; False for what is no jar."""
        return zipfile.is_zipfile(path) and bool(cls.read(path).manifest.get("Main-Class"))

    @property
    def main_class(self) -> str:
        """What `java -jar` runs; empty when it cannot."""
        return self.manifest.get("Main-Class", "")

    @property
    def start_class(self) -> str:
        """The app's own class in a jar of Spring Boot, whose main class is a loader; empty in others."""
        loader = re.fullmatch(
            r"org\.springframework\.boot\.loader\.(?:launch\.)?JarLauncher", self.main_class
        )
        return self.manifest.get("Start-Class", "") if loader else ""

    @property
    def class_path(self) -> tuple[str, ...]:
        """Other jars that the manifest names, relative to this one."""
        return tuple(self.manifest.get("Class-Path", "").split())

    def text(self, name: str) -> str:
        """An entry as text; empty when there is none."""
        if name not in self.names:
            return ""
        with zipfile.ZipFile(self.path) as archive:
            return _text(archive, name)


def main_attributes(text: str) -> dict[str, str]:
    """A manifest's first section; lines that begin with a blank continue the one before (JAR specification)."""
    section = re.split(r"\r?\n\r?\n", text.lstrip("\r\n"), maxsplit=1)[0]
    lines = re.sub(r"\r?\n ", "", section).splitlines()
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def layer_index(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Spring Boot's `layers.idx`: name and paths of each layer, in order; a path that ends with `/` is a folder."""
    layers: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if found := re.fullmatch(r'- "(.+)":', line):
            layers.append((found[1], []))
        elif (found := re.fullmatch(r'  - "(.+)"', line)) and layers:
            layers[-1][1].append(found[1])
    return tuple((name, tuple(paths)) for name, paths in layers)


def class_path_index(text: str) -> tuple[str, ...]:
    """Spring Boot's `classpath.idx`: the nested jars in the order in which they are searched."""
    return tuple(re.findall(r'^- "(.+)"$', text, re.MULTILINE))


def _text(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as stream:
        return stream.read(MOST_BYTES).decode("utf-8", "replace")
