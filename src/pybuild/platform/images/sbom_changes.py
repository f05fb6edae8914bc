"""What differs between the SBOMs of two images: for every file its components, added and removed.

Specification: platform.md, "exporter" (`<layers>/sbom/launch/…`); CycloneDX 1.x, SPDX 2.x and Syft in JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import InvalidFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.platform.images.entry_changes import Change

MOST_BYTES = 16 << 20
"""Of one SBOM; components of a larger one are not compared."""
MOST_COMPONENTS = 100_000
MOST_FILES = 2_000

_PLACE = re.compile(r"(?:.*/)?sbom/launch/(?P<who>.+)/sbom\.(?P<format>cdx|spdx|syft)\.json", re.DOTALL)
# Where a document has its components, and what their version is called.
_LISTS = {
    "cdx": ("components", "version"),
    "spdx": ("packages", "versionInfo"),
    "syft": ("artifacts", "version"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sbom:
    """One file. `components`: `NAME@VERSION`; None: unknown, for the reason in `fault`. `digest`: of its content."""

    digest: str
    components: frozenset[str] | None
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SbomChange:
    """One file that differs. `file`: `BUILDPACK[/LAYER] (FORMAT)`. `added`, `removed`: components `NAME@VERSION`.

    Neither, in a changed file: it says the same of components and differs elsewhere, such as in its time stamp.
    """

    file: str
    change: Change
    added: tuple[str, ...]
    removed: tuple[str, ...]
    fault: str = ""

    def as_json(self) -> dict[str, Any]:
        """See the class."""
        return {
            "file": self.file,
            "change": self.change,
            "added": list(self.added),
            "removed": list(self.removed),
            "fault": self.fault or None,
        }


@dataclass(slots=True)
class SbomCollector:
    """Takes the SBOMs out of a layer that is being read. `found`: by what `SbomChange.file` says."""

    found: dict[str, Sbom] = field(default_factory=dict)
    limit: int = MOST_BYTES

    def wants(self, path: str) -> bool:
        """Whether it is an SBOM of one of the three formats."""
        return len(self.found) < MOST_FILES and _PLACE.fullmatch(path) is not None

    def take(self, path: str, size: int, digest: str, content: bytes | None) -> None:
        """Read it; what cannot be read is no error, but its components are unknown."""
        match = _PLACE.fullmatch(path)
        assert match is not None, path
        if content is None:
            sbom = Sbom(digest=digest, components=None, fault=f"it has {size} bytes, {self.limit} are read")
        else:
            sbom = read_sbom(content, digest=digest, format_=match["format"])
        self.found[f"{match['who']} ({match['format']})"] = sbom


def read_sbom(content: bytes, *, digest: str, format_: str) -> Sbom:
    """One SBOM. `format_`: `cdx`, `spdx` or `syft`."""
    try:
        document = gojson.loads(content, where="the SBOM", limit=MOST_BYTES)
    except InvalidFile as exc:
        return Sbom(digest=digest, components=None, fault=str(exc))
    key, version = _LISTS[format_]
    components: set[str] = set()
    for component in _components(document, key):
        components.add(_named(component, version))
        if len(components) > MOST_COMPONENTS:
            return Sbom(
                digest=digest, components=None, fault=f"it has more than {MOST_COMPONENTS} components"
            )
    return Sbom(digest=digest, components=frozenset(components))


def sbom_changes(a: Mapping[str, Sbom], b: Mapping[str, Sbom]) -> tuple[SbomChange, ...]:
    """What differs, file by file."""
    return tuple(
        _change(file, a.get(file), b.get(file))
        for file in sorted(a.keys() | b.keys())
        if a.get(file) is None or b.get(file) is None or a[file].digest != b[file].digest
    )


def _change(file: str, a: Sbom | None, b: Sbom | None) -> SbomChange:
    one, other = a.components if a else frozenset(), b.components if b else frozenset()
    known = one is not None and other is not None
    return SbomChange(
        file=file,
        change="added" if a is None else "removed" if b is None else "changed",
        added=tuple(sorted(other - one)) if one is not None and other is not None else (),
        removed=tuple(sorted(one - other)) if one is not None and other is not None else (),
        fault="" if known else (a.fault if a and a.fault else b.fault if b else ""),
    )


def _components(document: object, key: str) -> Iterator[Mapping[str, Any]]:
    """Those at the top, and in CycloneDX those inside of others."""
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        found = holder.get(key) if isinstance(holder, Mapping) else None
        for component in found if isinstance(found, list) else ():
            if isinstance(component, Mapping):
                yield component
                waiting.append(component)


def _named(component: Mapping[str, Any], version: str) -> str:
    name, group, number = (component.get(key) for key in ("name", "group", version))
    full = f"{group}/{name}" if isinstance(group, str) and group else f"{name or '(without a name)'}"
    return f"{full}@{number}" if number else full
