"""The labels of an app image: what it is made of and how it was built, as JSON in and out.

The same values stand in analyzed.toml under other names, so both spellings live here. A label comes from an image
that anybody may have written: names that would become paths are checked.

Specification: platform.md, "Labels"; "io.buildpacks.lifecycle.metadata (JSON)", "…build.metadata", "…project.metadata".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from pybuild.spec import toml
from pybuild.spec.api import ApiVersion
from pybuild.spec.names import check_layer_name, check_text
from pybuild.spec.run_image import RunImageName
from pybuild.spec.toml import Table

if TYPE_CHECKING:
    from pybuild.spec.launch import BomEntry, Metadata, Process, StoreToml
    from pybuild.spec.order import GroupElement

LIFECYCLE_METADATA = "io.buildpacks.lifecycle.metadata"
BUILD_METADATA = "io.buildpacks.build.metadata"
PROJECT_METADATA = "io.buildpacks.project.metadata"

Form = Literal["json", "toml"]
# Names that differ between the label and analyzed.toml.
_NAMES: Mapping[Form, Mapping[str, str]] = {
    "json": {"run_image": "runImage", "top_layer": "topLayer", "data": "data"},
    "toml": {"run_image": "run-image", "top_layer": "top-layer", "data": "metadata"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunImageOf:
    """The run image an app image stands on. `top_layer`: diffID of its last layer; `name` since Platform API 0.12."""

    top_layer: str = ""
    reference: str = ""
    name: RunImageName = field(default_factory=RunImageName)

    @classmethod
    def read(cls, table: Table, form: Form) -> Self:
        """From its table; raises `InvalidFile`."""
        return cls(
            top_layer=_sha(table, _NAMES[form]["top_layer"]),
            reference=table.text("reference"),
            name=RunImageName.read(table),
        )

    def tree(self, form: Form) -> Struct:
        """Its object or table."""
        return Struct(
            {_NAMES[form]["top_layer"]: self.top_layer, "reference": self.reference} | self.name.tree()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMetadata:
    """One buildpack layer of an image or cache. `sha`: diffID; `data`: the metadata of its `<layer>.toml`."""

    sha: str = ""
    data: Any = None
    build: bool = False
    launch: bool = False
    cache: bool = False

    @classmethod
    def read(cls, table: Table, form: Form) -> Self:
        """From its table; raises `InvalidFile`."""
        return cls(
            sha=_sha(table, "sha"),
            data=_floats(table.value(_NAMES[form]["data"]), form),
            build=table.flag("build"),
            launch=table.flag("launch"),
            cache=table.flag("cache"),
        )

    def tree(self, form: Form) -> Struct:
        """Its object or table."""
        return Struct(
            {
                "sha": self.sha,
                _NAMES[form]["data"]: self.data,
                "build": self.build,
                "launch": self.launch,
                "cache": self.cache,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildpackLayers:
    """The layers of one buildpack, and its store. `layers` None: said nothing, unlike none."""

    id: str
    version: str = ""
    layers: Mapping[str, LayerMetadata] | None = None
    store: StoreToml | None = None

    @classmethod
    def read(cls, table: Table, form: Form) -> Self:
        """From its table; raises `InvalidFile`."""
        from pybuild.spec.launch import StoreToml  # 2 ms, of which the labels of most images need none

        found = table.optional_table("layers")
        store = table.optional_table("store")
        return cls(
            id=check_text(table.text("key"), table.place("key")),
            version=table.text("version"),
            layers=None if found is None else _read_layers(found, form),
            store=None if store is None else StoreToml(metadata=_store_data(store, form)),
        )

    def tree(self, form: Form) -> Struct:
        """Its object or table."""
        layers = self.layers
        tree = Struct(
            key=self.id,
            version=self.version,
            layers=None if layers is None else {name: layer.tree(form) for name, layer in layers.items()},
        )
        if self.store:
            tree["store"] = Struct(metadata=self.store.metadata)
        return tree


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleMetadata:
    """What every layer of an app image is. Values are diffIDs; "" where there is no such layer.

    `app`: one per slice; None: said nothing. `sbom` None: no such layer.
    """

    app: tuple[str, ...] | None = None
    sbom: str | None = None
    buildpacks: tuple[BuildpackLayers, ...] | None = None
    config: str = ""
    launcher: str = ""
    process_types: str = ""
    run_image: RunImageOf = field(default_factory=RunImageOf)
    stack: RunImageName | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """From the label; raises `InvalidFile`, upon which the image is one without metadata."""
        document = gojson.loads(text, where=LIFECYCLE_METADATA)
        if not isinstance(document, dict):
            raise InvalidFile(f"{LIFECYCLE_METADATA}: expected an object, found {text[:20]!r}")
        return cls.read_table(Table(document, file=LIFECYCLE_METADATA), "json")

    @classmethod
    def read_table(cls, table: Table, form: Form = "toml") -> Self:
        """From the label's object, or `[metadata]` of analyzed.toml."""
        sbom = table.optional_table("sbom")
        stack = table.optional_table("stack")
        return cls(
            app=tuple(_sha(layer, "sha") for layer in table.tables("app")) if "app" in table else None,
            sbom=None if sbom is None else _sha(sbom, "sha"),
            buildpacks=tuple(BuildpackLayers.read(entry, form) for entry in table.tables("buildpacks"))
            if "buildpacks" in table
            else None,
            config=_sha(table.table("config"), "sha"),
            launcher=_sha(table.table("launcher"), "sha"),
            process_types=_sha(table.table("process-types"), "sha"),
            run_image=RunImageOf.read(table.table(_NAMES[form]["run_image"]), form),
            stack=None if stack is None else RunImageName.read(stack.table(_NAMES[form]["run_image"])),
        )

    def write(self) -> str:
        """The label's text."""
        return gojson.dumps(self.tree("json"))

    def tree(self, form: Form) -> Struct:
        """The label's object, or the table `[metadata]` of analyzed.toml."""
        run_image = _NAMES[form]["run_image"]
        tree = Struct(app=None if self.app is None else [Struct(sha=sha) for sha in self.app])
        if self.sbom is not None:
            tree["sbom"] = Struct(sha=self.sbom)
        buildpacks = self.buildpacks
        tree |= {
            "buildpacks": None if buildpacks is None else [entry.tree(form) for entry in buildpacks],
            "config": Struct(sha=self.config),
            "launcher": Struct(sha=self.launcher),
            "process-types": Struct(sha=self.process_types),
            run_image: self.run_image.tree(form),
        }
        if self.stack is not None:
            tree["stack"] = Struct({run_image: self.stack.tree()})
        return tree

    def layers_of(self, buildpack_id: str) -> BuildpackLayers:
        """What is known of one buildpack; nothing, when it took no part."""
        for found in self.buildpacks or ():
            if found.id == buildpack_id:
                return found
        return BuildpackLayers(id=buildpack_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherIdentity:
    """Which launcher is in the image."""

    version: str
    repository: str
    commit: str


def build_metadata(metadata: Metadata, platform_api: ApiVersion, launcher: LauncherIdentity) -> str:
    """Text of the label io.buildpacks.build.metadata."""
    tree = Struct()
    if platform_api < ApiVersion(0, 9):
        tree["bom"] = [_bom(entry) for entry in metadata.bom] or None
    tree["buildpacks"] = [_element(element) for element in metadata.buildpacks] or None
    if metadata.extensions:
        tree["extensions"] = [_element(element) for element in metadata.extensions]
    git = Struct(repository=launcher.repository, commit=launcher.commit)
    tree["launcher"] = Struct(version=launcher.version, source=Struct(git=git))
    tree["processes"] = [
        _process(process.for_platform(platform_api), platform_api) for process in metadata.processes
    ]
    if metadata.default_process_type:
        tree["buildpack-default-process-type"] = metadata.default_process_type
    return gojson.dumps(tree)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectMetadata:
    """Where the source came from: project-metadata.toml and its label. `source` False: nothing is said."""

    source: bool = False
    type: str = ""
    version: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        source = toml.load(data, file=file).optional_table("source")
        if source is None:
            return cls()
        version, metadata = source.table("version").raw(), source.table("metadata").raw()
        return cls(source=True, type=source.text("type"), version=version, metadata=metadata)

    def write(self) -> str:
        """Text of the label io.buildpacks.project.metadata."""
        source = _some(type=self.type, version=self.version, metadata=self.metadata)
        return gojson.dumps(Struct(source=source) if self.source else {})

    def write_toml(self) -> bytes:
        """The file, for a platform."""
        source = _some(type=self.type, version=self.version, metadata=self.metadata)
        return toml.dumps(Struct(source=source) if self.source else {}).encode()


def _process(process: Process, platform_api: ApiVersion) -> Struct:
    words = list(process.command)
    return Struct(
        type=process.type,
        command=words if platform_api >= ApiVersion(0, 10) else words[0],
        args=None if process.args is None else list(process.args),
        direct=process.direct,
        **({"default": True} if process.default else {}),
        buildpackID=process.buildpack_id,
        **_some(**{"working-dir": process.working_dir, "exec-env": list(process.exec_envs)}),
    )


def _element(element: GroupElement) -> Struct:
    optional = element.optional and not element.extension
    named = _some(homepage=element.homepage, optional=optional)
    return Struct(id=element.id, version=element.version, **named)


def _bom(entry: BomEntry) -> Struct:
    tree = entry.tree()
    if not entry.version:
        del tree["version"]
    return tree


def _some(**fields: Any) -> Struct:
    return Struct({key: value for key, value in fields.items() if value})


def _read_layers(table: Table, form: Form) -> Mapping[str, LayerMetadata]:
    return {
        check_layer_name(name, table.place()): LayerMetadata.read(layer, form)
        for name, layer in table.children()
    }


def _sha(table: Table, key: str) -> str:
    return check_text(table.text(key), table.place(key))


def _store_data(store: Table, form: Form) -> Any:
    metadata = store.optional_table("metadata")
    return None if metadata is None else _floats(metadata.raw(), form)


def _floats(value: Any, form: Form) -> Any:
    return value if form == "toml" else as_go_numbers(value)


def as_go_numbers(value: Any) -> Any:
    """`value`, read from a label: Go reads every JSON number into a float64, so what it holds comes back as one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return [as_go_numbers(item) for item in value]
    if isinstance(value, Mapping):
        return {key: as_go_numbers(item) for key, item in value.items()}
    return value
