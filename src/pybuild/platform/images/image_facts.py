"""What an image says of itself, as one value that can be compared: who owns each layer, settings, processes, labels.

Nothing of it is believed: an image may come from anybody. A label that cannot be read leaves a note, and is then
compared as the text that it is.

Specification: platform.md, "Labels"; OCI image-spec, "Image Configuration".
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.spec.labels import BUILD_METADATA, LIFECYCLE_METADATA, LifecycleMetadata
from pybuild.spec.toml import Table
from pybuild.stores.daemon import CONFIG_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.stores.api import StoredImage

RUN_IMAGE = "run image"
SBOM = "sbom"
UNKNOWN = "layer"
"""Owners of layers. UNKNOWN: of which nothing is known, in an image that no buildpacks made, all of them."""

_ABOUT_IMAGE = ("created", "author", "architecture", "variant", "os", "os.version")
# What an engine shows of a configuration: the rest is compared only where both files are at hand.
_SHOWN_BY_ENGINES = frozenset(CONFIG_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedLayer:
    """One layer. `owner`: `run image`, `BUILDPACK:LAYER`, `app slice N`, `launcher`, `config`, `process-types`, `sbom`
    or `layer`. `index`: from the bottom, 0 first.
    """

    owner: str
    index: int
    diff_id: str

    @property
    def name(self) -> str:
        """The owner, with a number where that has many layers: `run image 1`."""
        return f"{self.owner} {self.index + 1}" if self.owner in (RUN_IMAGE, UNKNOWN) else self.owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The run image that an app image stands on, as its label says; all "" where it says nothing."""

    name: str = ""
    top_layer: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """One image. `name`: as it was asked for. `size`: bytes as its store counts them, 0 unknown.

    `config_digest`: of the configuration file, "" where the store does not tell. `complete`: the configuration is
    that file; False: what an engine shows of it. `about`: created, author, os and the like. `settings`: the
    configuration that a container gets, variables by name under `Env`. `env_order`: their names, in order.
    `processes`: by type, as the label has them. `notes`: what could not be read, as sentences.
    """

    name: str
    id: str
    config_digest: str
    complete: bool
    size: int
    base: Base
    layers: tuple[OwnedLayer, ...]
    about: Mapping[str, str]
    settings: Mapping[str, Any]
    env_order: tuple[str, ...]
    history: tuple[Mapping[str, Any], ...]
    processes: Mapping[str, Any]
    default_process: str
    labels: Mapping[str, str]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, stored: StoredImage, name: str, *, complete: bool) -> ImageFacts:
        """What a store knows of an image."""
        notes: list[str] = []
        metadata = _lifecycle_metadata(name, stored, notes)
        processes, default = _processes(name, stored, notes)
        config = stored.config
        inner = _mapping(config.get("config"))
        env = _texts(inner.get("Env"))
        return cls(
            name=name,
            id=stored.id,
            config_digest=stored.config_digest,
            complete=complete,
            size=stored.size,
            base=_base(metadata),
            layers=tuple(_owned(stored.diff_ids, metadata)),
            about={key: str(config.get(key) or "") for key in _ABOUT_IMAGE},
            settings=_settings(inner, env, complete=complete),
            env_order=tuple(word.partition("=")[0] for word in env),
            history=tuple(_history(config.get("history"), complete=complete)),
            processes=processes,
            default_process=default,
            labels=dict(stored.labels),
            notes=tuple(notes),
        )

    @property
    def ids(self) -> frozenset[str]:
        """The digests by which it can be known: of its configuration, of its manifest."""
        return frozenset(filter(None, (self.id, self.config_digest)))

    @property
    def platform(self) -> str:
        """`linux/amd64`, or with the variant."""
        return "/".join(filter(None, (self.about["os"], self.about["architecture"], self.about["variant"])))

    def as_json(self) -> dict[str, Any]:
        """The head of it; what differs stands in the comparison."""
        return {
            "name": self.name,
            "id": self.id,
            "config_digest": self.config_digest or None,
            "platform": self.platform,
            "created": self.about["created"] or None,
            "size_bytes": self.size or None,
            "layers": len(self.layers),
            "run_image": {"name": self.base.name, "top_layer": self.base.top_layer}
            if self.base.top_layer
            else None,
        }


def _lifecycle_metadata(name: str, stored: StoredImage, notes: list[str]) -> LifecycleMetadata | None:
    text = stored.labels.get(LIFECYCLE_METADATA)
    if text is None:
        notes.append(f"{name} has no label {LIFECYCLE_METADATA}: who owns its layers is not known")
        return None
    try:
        return LifecycleMetadata.read(text)
    except InvalidFile as exc:
        notes.append(f"{name} has a label that cannot be read: {exc}")
        return None


def _base(metadata: LifecycleMetadata | None) -> Base:
    if metadata is None:
        return Base()
    run_image = metadata.run_image
    named = run_image.name.image or (metadata.stack.image if metadata.stack else "")
    return Base(name=named, top_layer=run_image.top_layer, reference=run_image.reference)


def _owned(diff_ids: Sequence[str], metadata: LifecycleMetadata | None) -> Iterator[OwnedLayer]:
    top = metadata.run_image.top_layer if metadata else ""
    above = len(diff_ids) - list(reversed(diff_ids)).index(top) if top in diff_ids else 0
    owners: defaultdict[str, deque[str]] = defaultdict(deque)
    for owner, diff_id in _owners(metadata) if metadata else ():
        owners[diff_id].append(owner)
    for index, diff_id in enumerate(diff_ids):
        # Equal layers have one digest: their owners come in the order of the exporter.
        known = owners.get(diff_id) if index >= above else None
        owner = RUN_IMAGE if index < above else known.popleft() if known else UNKNOWN
        yield OwnedLayer(owner=owner, index=index, diff_id=diff_id)


def _owners(metadata: LifecycleMetadata) -> Iterator[tuple[str, str]]:
    """Every owner and the digest of its layer, in the order of layers in an image."""
    for buildpack in metadata.buildpacks or ():
        for name, layer in (buildpack.layers or {}).items():
            yield f"{buildpack.id}:{name}", layer.sha
    yield SBOM, metadata.sbom or ""
    for number, diff_id in enumerate(metadata.app or (), start=1):
        yield f"app slice {number}", diff_id
    yield "launcher", metadata.launcher
    yield "config", metadata.config
    yield "process-types", metadata.process_types


def _processes(name: str, stored: StoredImage, notes: list[str]) -> tuple[Mapping[str, Any], str]:
    """Processes by type, and the type of the default one."""
    text = stored.labels.get(BUILD_METADATA)
    if text is None:
        return {}, ""
    try:
        document = gojson.loads(text, where=BUILD_METADATA)
        table = Table(_mapping(document), file=BUILD_METADATA)
        found = {
            process.text("type"): {key: value for key, value in process.raw().items() if key != "type"}
            for process in table.tables("processes")
        }
        return found, table.text("buildpack-default-process-type")
    except InvalidFile as exc:
        notes.append(f"{name} has a label that cannot be read: {exc}")
        return {}, ""


def _settings(inner: Mapping[str, Any], env: Sequence[str], *, complete: bool) -> Mapping[str, Any]:
    settings = {
        key: value
        for key, value in inner.items()
        if key not in ("Labels", "Env") and value and (complete or key in _SHOWN_BY_ENGINES)
    }
    return {**settings, "Env": {name: value for name, _, value in (word.partition("=") for word in env)}}


def shared_settings(facts: ImageFacts, *, complete: bool) -> Mapping[str, Any]:
    """Its settings; without `complete` only those that engines show."""
    if complete:
        return facts.settings
    return {key: value for key, value in facts.settings.items() if key in _SHOWN_BY_ENGINES}


def _history(value: object, *, complete: bool) -> Iterator[Mapping[str, Any]]:
    for item in value if isinstance(value, Sequence) and not isinstance(value, str) else ():
        entry = _mapping(item)
        yield entry if complete else shown_history(entry)


def shown_history(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """One item of the history as far as an engine shows it: without fractions of a second."""
    created = str(entry.get("created") or "")
    whole = created.partition(".")[0] + "Z" if "." in created else created
    return {
        "created": whole,
        "created_by": str(entry.get("created_by") or ""),
        "comment": str(entry.get("comment") or ""),
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()
