"""The bills of materials that an image carries: found in its SBOM layer, read, selected, written to files.

Specification: platform.md, "exporter" (`<layers>/sbom/launch/<buildpack>[/<layer>]/sbom.<format>.json`); CycloneDX 1.x,
SPDX 2.x and Syft in JSON. Nothing in them is believed: an image may come from anybody.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pybuild import events, gojson
from pybuild.errors import InvalidFile, InvalidInput
from pybuild.oci import tar
from pybuild.platform.images.compare_stored import opened_image
from pybuild.platform.images.image_facts import SBOM
from pybuild.spec.labels import LIFECYCLE_METADATA, LifecycleMetadata
from pybuild.spec.names import escape_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pybuild.platform.images.compare_stored import Side

Format = Literal["cyclonedx", "spdx", "syft"]

ENDINGS: Mapping[Format, str] = {"cyclonedx": "cdx.json", "spdx": "spdx.json", "syft": "syft.json"}
"""The formats in the order in which they are looked at for what is in them: the first that a layer has counts."""

MOST_BYTES = 32 << 20
"""Of one document."""
MOST_DOCUMENTS = 2_000

_PLACE = re.compile(
    r"(?P<path>(?:.*/)?sbom/launch/(?P<buildpack>[^/]+)(?:/(?P<layer>[^/]+))?/sbom\.(?P<ending>(?:cdx|spdx|syft)\.json))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SbomDocument:
    """One file. `buildpack`: its id; `layer`: "" for what is in no layer. `path`: in the image, without the first slash."""

    buildpack: str
    layer: str
    format: Format
    path: str
    content: bytes

    @property
    def owner(self) -> str:
        """As layers are called elsewhere: `pybuild/php:php`."""
        return f"{self.buildpack}:{self.layer}" if self.layer else self.buildpack

    def read(self) -> Mapping[str, Any]:
        """The JSON object. Raises `InvalidFile`."""
        value = gojson.loads(self.content, where=self.path, limit=MOST_BYTES)
        if not isinstance(value, Mapping):
            raise InvalidFile(f"{self.path}: expected an object")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class SbomPackage:
    """One thing in the image. `type`: of its package URL, such as `deb`; "" without one. `owner`: buildpack and layer."""

    name: str
    version: str
    type: str
    purl: str
    licences: tuple[str, ...]
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a user wants to see; "" for everything. `name`: with `*` and `?`. `buildpack`: an id, or the end of one."""

    buildpack: str = ""
    type: str = ""
    name: str = ""

    def has_document(self, document: SbomDocument) -> bool:
        """Whether a document is of that buildpack."""
        return not self.buildpack or document.buildpack in (self.buildpack, f"pybuild/{self.buildpack}")

    def has(self, name: str, purl: str) -> bool:
        """Whether a package is one of those."""
        if self.type and purl_type(purl) != self.type.lower():
            return False
        return not self.name or fnmatch.fnmatch(name.lower(), self.name.lower())


def purl_type(purl: str) -> str:
    """`deb` of `pkg:deb/debian/jq@1.6`."""
    return purl.removeprefix("pkg:").partition("/")[0].lower() if purl.startswith("pkg:") else ""


def image_sbom(
    word: str, *, environ: Mapping[str, str], remote: bool = False, insecure: Sequence[str] = ()
) -> tuple[SbomDocument, ...]:
    """All documents of an image, by path. `word`: as for `compare`, or with `remote` a name in its registry.

    Raises `InvalidInput` for an image that is not there or has none.
    """
    with ExitStack() as stack:
        side = opened_image(stack, f"registry:{word}" if remote else word, environ, insecure)
        layer = next((each for each in side.facts.layers if each.owner == SBOM), None)
        found = tuple(sorted(_documents(side, layer.diff_id), key=lambda each: each.path)) if layer else ()
    if not found:
        raise InvalidInput(
            f"the image {word} has no bill of materials",
            hint="buildpacks write it, unless BP_DISABLE_SBOM is set; pybuild inspect says which made the image",
        )
    return found


def packages(documents: Iterable[SbomDocument], selection: Selection) -> tuple[SbomPackage, ...]:
    """What is in them, by name; of a layer's documents in several formats one is read. Raises `InvalidFile`."""
    chosen: dict[str, SbomDocument] = {}
    for document in sorted(documents, key=lambda each: list(ENDINGS).index(each.format)):
        if selection.has_document(document):
            chosen.setdefault(document.owner, document)
    found = {
        package
        for document in chosen.values()
        for package in _packages(document)
        if selection.has(package.name, package.purl)
    }
    return tuple(sorted(found, key=lambda each: (each.name.lower(), each.version, each.owner, each.purl)))


def save(documents: Iterable[SbomDocument], folder: Path) -> tuple[Path, ...]:
    """Write the documents below `folder` at the paths that they have in the image. Raises `InvalidInput`."""
    written = []
    for document in documents:
        file = folder / document.path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(document.content)
        except OSError as exc:
            raise InvalidInput(
                f"{file} cannot be written: {exc.strerror}", hint="name another folder with --output-dir"
            ) from exc
        written.append(file)
    return tuple(written)


def _documents(side: Side, diff_id: str) -> Iterator[SbomDocument]:
    ids = {escape_id(each): each for each in _buildpacks(side)}
    count = 0
    for member, body in tar.read(side.store.read_layer(side.image, diff_id)):
        path = posixpath.normpath(member.name.decode(errors="surrogateescape")).lstrip("/")
        match = _PLACE.fullmatch(path)
        if match is None or member.kind not in (tar.FILE, b"\0") or ".." in path.split("/"):
            continue
        count += 1
        if count > MOST_DOCUMENTS:
            raise InvalidFile(f"{side.facts.name} has more than {MOST_DOCUMENTS} bills of materials")
        yield SbomDocument(
            buildpack=ids.get(match["buildpack"], match["buildpack"]),
            layer=match["layer"] or "",
            format=next(name for name, ending in ENDINGS.items() if ending == match["ending"]),
            path=path,
            content=body.read(most=MOST_BYTES),
        )


def _buildpacks(side: Side) -> Iterator[str]:
    """The ids of those that made the image, as far as its label can be read."""
    try:
        metadata = LifecycleMetadata.read(side.image.labels.get(LIFECYCLE_METADATA, "{}"))
    except InvalidFile:
        return
    yield from (each.id for each in metadata.buildpacks or ())


def _packages(document: SbomDocument) -> Iterator[SbomPackage]:
    try:
        value = document.read()
    except InvalidFile as exc:
        events.warn(f"a bill of materials of {document.owner} cannot be read: {exc}")
        return
    key, version = {
        "cyclonedx": ("components", "version"),
        "spdx": ("packages", "versionInfo"),
        "syft": ("artifacts", "version"),
    }[document.format]
    for item in _mappings(value.get(key)):
        purl = _purl(item, document.format)
        yield SbomPackage(
            name=_name(item),
            version=_text(item.get(version)),
            type=purl_type(purl),
            purl=purl,
            licences=tuple(_licences(item, document.format)),
            owner=document.owner,
        )


def _name(item: Mapping[str, Any]) -> str:
    group, name = _text(item.get("group")), _text(item.get("name"))
    return f"{group}/{name}" if group else name


def _purl(item: Mapping[str, Any], format_: Format) -> str:
    if format_ != "spdx":
        return _text(item.get("purl"))
    references = (each for each in _mappings(item.get("externalRefs")) if each.get("referenceType") == "purl")
    return next((_text(each.get("referenceLocator")) for each in references), "")


def _licences(item: Mapping[str, Any], format_: Format) -> Iterator[str]:
    if format_ == "spdx":
        declared = _text(item.get("licenseDeclared"))
        yield from [declared] if declared not in ("", "NOASSERTION", "NONE") else []
        return
    raw = item.get("licenses")
    for entry in raw if isinstance(raw, list) else ():
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, Mapping):
            inner = entry.get("license")
            one = inner if isinstance(inner, Mapping) else entry
            found = (_text(one.get(key)) for key in ("expression", "id", "name", "spdxExpression", "value"))
            yield from [text for text in found if text][:1]


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    for item in value if isinstance(value, list | tuple) else ():
        if isinstance(item, Mapping):
            yield item


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
