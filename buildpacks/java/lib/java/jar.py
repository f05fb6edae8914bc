"""Jar files from the outside: their manifest, what Spring Boot wrote into them, what makes them run."""

from __future__ import annotations

import re
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from java import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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
        with _opened(path) as archive:
            names = tuple(archive.namelist())
            text = _text(archive, MANIFEST) if MANIFEST in names else ""
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

    @property
    def feature(self) -> int:
        """The Java that the app's main class was compiled for; 0 when it cannot be told."""
        for name in app_class(self.manifest):
            if name in self.names:
                with _opened(self.path) as archive, archive.open(name) as stream:
                    return class_feature(stream.read(8))
        return 0

    def text(self, name: str) -> str:
        """An entry as text; empty when there is none."""
        if name not in self.names:
            return ""
        with _opened(self.path) as archive:
            return _text(archive, name)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive. Raises a `Problem` for whatever is wrong with it while it is open."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as exc:
        raise errors.bad_jar(path.name, str(exc)) from exc


def app_class(manifest: Mapping[str, str]) -> tuple[str, ...]:
    """Where the class file of the app's own main class may be, in a jar of Spring Boot or in any other."""
    name = (manifest.get("Start-Class") or manifest.get("Main-Class", "")).replace(".", "/")
    return (
        (f"BOOT-INF/classes/{name}.class", f"WEB-INF/classes/{name}.class", f"{name}.class") if name else ()
    )


def class_feature(head: bytes) -> int:
    """The Java that a class file needs, from its first 8 bytes (JVM specification, 4.1); 0 when it is none."""
    return int.from_bytes(head[6:8], "big") - 44 if head[:4] == b"\xca\xfe\xba\xbe" and len(head) >= 8 else 0


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
