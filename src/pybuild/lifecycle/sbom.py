"""Which SBOM files of a buildpack belong to the app, the build or the cache, and where they are collected.

Specification: buildpack.md, "Software-Bill-of-Materials"; platform.md, "exporter" (Platform API 0.9 and up).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from pybuild.spec.names import escape_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pybuild.spec.launch import BomEntry
    from pybuild.spec.layer import LayerToml

Destination = Literal["launch", "build", "cache"]

MEDIA_TYPES = {
    "cdx.json": "application/vnd.cyclonedx+json",
    "spdx.json": "application/spdx+json",
    "syft.json": "application/vnd.syft+json",
}
"""The formats of the specification, by the ending of their files."""

_NAME = re.compile(r"(?P<layer>.*)\.sbom\.(?P<ending>.*json)", re.DOTALL)
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
_MEDIA_TYPE = re.compile(rf"\s*({_TOKEN}(?:/{_TOKEN})?)\s*(?:;.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SbomFile:
    """One SBOM that a buildpack wrote. `layer` is "" for one of the app or the build as a whole.

    `name`: the file's, in the buildpack's layers directory. `ending`: a key of `MEDIA_TYPES`.
    """

    layer: str
    name: str
    ending: str
    destinations: tuple[Destination, ...]


def sbom_files(
    names: Iterable[str], layers: Mapping[str, LayerToml], *, declared: Sequence[str], directory: str
) -> tuple[SbomFile, ...]:
    """The SBOM files among `names`, the files in one buildpack's layers `directory`, in the order of their names.

    A file for a layer without `<layer>.toml` counts for nothing. `declared`: the media types in the buildpack's
    `sbom-formats`. `InvalidFile` for a format that nobody knows, or that the buildpack did not declare.
    """
    found = []
    for name in sorted(names, key=os.fsencode):
        match = _NAME.fullmatch(name)
        if match and (destinations := _destinations(match["layer"], layers)):
            _check_format(match["ending"], declared, f"{directory}/{name}")
            layer = "" if match["layer"] in ("launch", "build") else match["layer"]
            found.append(SbomFile(layer=layer, name=name, ending=match["ending"], destinations=destinations))
    return tuple(found)


def copies(layers_dir: str, buildpack_id: str, files: Iterable[SbomFile]) -> list[tuple[str, str]]:
    """From where to where each SBOM is copied: `<layers>/sbom/<destination>/<buildpack>[/<layer>]/sbom.<ending>`."""
    own = escape_id(buildpack_id)
    pairs = []
    for file in files:
        inner = f"{own}/{file.layer}" if file.layer else own
        pairs += [
            (f"{layers_dir}/{own}/{file.name}", f"{layers_dir}/sbom/{destination}/{inner}/sbom.{file.ending}")
            for destination in file.destinations
        ]
    return pairs


def legacy_sbom(entries: Sequence[BomEntry]) -> str:
    """Text of `sbom.legacy.json`: the deprecated `[[bom]]` of all buildpacks; `null` when nobody wrote one."""
    trees = [
        Struct(
            name=entry.name,
            metadata=entry.metadata,
            buildpack=Struct(id=entry.owner.id, version=entry.owner.version) if entry.owner else None,
        )
        for entry in entries
    ]
    return gojson.dumps(trees or None) + "\n"


def _destinations(layer: str, layers: Mapping[str, LayerToml]) -> tuple[Destination, ...]:
    if layer in ("launch", "build"):
        return ("launch",) if layer == "launch" else ("build",)
    toml = layers.get(layer)
    if toml is None:
        return ()
    # buildpack.md: the build's SBOM is build.sbom.* "and SBOMs of non-launch layers".
    where: Destination = "launch" if toml.launch else "build"
    return (where, "cache") if toml.cache else (where,)


def _check_format(ending: str, declared: Sequence[str], path: str) -> None:
    if ending not in MEDIA_TYPES:
        raise InvalidFile(
            f"{path}: nobody knows the SBOM format {ending!r}: expected one of {', '.join(MEDIA_TYPES)}"
        )
    for media_type in declared:
        match = _MEDIA_TYPE.fullmatch(media_type)
        if match is None:
            raise InvalidFile(
                f"{path}: the buildpack's sbom-formats hold {media_type!r}, which is no media type"
            )
        if match[1].lower() == MEDIA_TYPES[ending]:
            return
    raise InvalidFile(
        f"{path}: the buildpack's sbom-formats do not declare {MEDIA_TYPES[ending]}",
        hint=f'add "{MEDIA_TYPES[ending]}" to sbom-formats in buildpack.toml',
    )
