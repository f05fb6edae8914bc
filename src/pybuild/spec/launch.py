"""What buildpacks say about starting the app: launch.toml, build.toml, store.toml, and metadata.toml of them all.

Specification: buildpack.md, "launch.toml", "build.toml", "store.toml"; platform.md, "metadata.toml".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from pybuild.spec import toml
from pybuild.spec.api import ApiVersion
from pybuild.spec.names import check_process_type
from pybuild.spec.order import GroupElement, read_exec_envs
from pybuild.spec.plan import Require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.spec.toml import Table

_COMMAND_LISTS = ApiVersion(0, 10)  # Platform API
_NO_BOM = ApiVersion(0, 9)  # Platform API
_ALWAYS_DIRECT = ApiVersion(0, 9)  # Buildpack API
_WORKING_DIRS = ApiVersion(0, 8)  # Buildpack API


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One way to start the app. `args` None: the key was absent, unlike an empty array.

    `direct` False: a shell starts it (Buildpack API below 0.9). `exec_envs` empty: every execution environment.
    """

    type: str
    command: tuple[str, ...]
    args: tuple[str, ...] | None = None
    direct: bool = True
    default: bool = False
    working_dir: str = ""
    buildpack_id: str = ""
    exec_envs: tuple[str, ...] = ()

    @classmethod
    def read(cls, table: Table, api: ApiVersion, buildpack_id: str) -> Self:
        """From `[[processes]]` of a launch.toml whose buildpack speaks Buildpack API `api`."""
        if api >= _ALWAYS_DIRECT:
            if "direct" in table:
                raise InvalidFile(
                    f"{table.place('direct')}: not allowed in Buildpack API {api}",
                    hint="remove it: every process is started directly since Buildpack API 0.9",
                )
            command, direct = table.texts("command"), True
        else:
            command, direct = (table.text("command"),), table.flag("direct")
        return cls(
            type=check_process_type(table.text("type"), table.place("type")),
            command=command,
            args=table.texts("args") if "args" in table else None,
            direct=direct,
            default=table.flag("default"),
            # Buildpack API 0.8 brought the key; older buildpacks run in the app directory whatever they say.
            working_dir=_path(table, "working-dir") if api >= _WORKING_DIRS else "",
            buildpack_id=buildpack_id,
            exec_envs=read_exec_envs(table),
        )

    @classmethod
    def read_merged(cls, table: Table) -> Self:
        """From `[[processes]]` of metadata.toml; its command is a string below Platform API 0.10."""
        return cls(
            type=check_process_type(table.text("type"), table.place("type")),
            command=_read_merged_command(table),
            args=table.texts("args") if "args" in table else None,
            direct=table.flag("direct"),
            default=table.flag("default"),
            working_dir=table.text("working-dir"),
            buildpack_id=table.text("buildpack-id"),
            exec_envs=read_exec_envs(table),
        )

    def for_platform(self, platform_api: ApiVersion) -> Self:
        """As Platform APIs below 0.10 know it: a command of one word, its other words before the arguments.

        Raises `InvalidFile` for a process without command, which those cannot express.
        """
        if platform_api >= _COMMAND_LISTS:
            return self
        if not self.command:
            raise InvalidFile(
                f"process {self.type}: no command, which Platform API {platform_api} cannot express",
                hint="give it a command in launch.toml, or use Platform API 0.10 or later",
            )
        return replace(self, command=self.command[:1], args=(*self.command[1:], *(self.args or ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Paths of the app that become one layer of their own; Go's `filepath.Match` patterns.

    `stated` False: the key was absent, unlike an empty array; both choose nothing.
    """

    paths: tuple[str, ...]
    stated: bool = True

    @classmethod
    def read(cls, table: Table) -> Self:
        """From one `[[slices]]`."""
        return cls(paths=table.texts("paths"), stated="paths" in table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label for the app image."""

    key: str
    value: str

    @classmethod
    def read(cls, table: Table) -> Self:
        """From one `[[labels]]`."""
        return cls(key=table.text("key"), value=table.text("value"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BomEntry:
    """An entry of the deprecated `[[bom]]`. `owner`: who wrote it, once that is known."""

    name: str
    version: str = ""
    metadata: Mapping[str, Any] | None = None
    owner: GroupElement | None = None

    @classmethod
    def read(cls, table: Table) -> Self:
        """From launch.toml, build.toml or metadata.toml."""
        require = Require.read(table)
        owner = table.optional_table("buildpack")
        return cls(
            name=require.name,
            version=require.version,
            metadata=require.metadata,
            owner=GroupElement(id=owner.text("id"), version=owner.text("version")) if owner else None,
        )

    def tree(self) -> Struct:
        """Its table, in TOML and JSON alike but for the metadata: JSON says null where TOML says nothing."""
        owner = self.owner or GroupElement(id="", version="")
        return Struct(
            name=self.name,
            version=self.version or None,
            metadata=self.metadata,
            buildpack=Struct(id=owner.id, version=owner.version),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchToml:
    """launch.toml of one buildpack."""

    processes: tuple[Process, ...] = ()
    labels: tuple[Label, ...] = ()
    slices: tuple[Slice, ...] = ()
    bom: tuple[BomEntry, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str, api: ApiVersion, buildpack_id: str) -> Self:
        """From a buildpack that speaks Buildpack API `api`."""
        table = toml.load(data, file=file)
        processes = tuple(Process.read(entry, api, buildpack_id) for entry in table.tables("processes"))
        _check_one_default(processes, table)
        return cls(
            processes=processes,
            labels=tuple(map(Label.read, table.tables("labels"))),
            slices=tuple(map(Slice.read, table.tables("slices"))),
            bom=_read_bom(table),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildToml:
    """build.toml of one buildpack: the names of plan entries it leaves to others."""

    unmet: tuple[str, ...] = ()
    bom: tuple[BomEntry, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        table = toml.load(data, file=file)
        return cls(
            unmet=tuple(entry.needed("name") for entry in table.tables("unmet")),
            bom=_read_bom(table),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreToml:
    """store.toml: what one buildpack keeps from build to build. `metadata` None: no such table."""

    metadata: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        metadata = toml.load(data, file=file).optional_table("metadata")
        return cls(metadata=None if metadata is None else metadata.raw())

    def write(self) -> bytes:
        """The file."""
        return toml.dumps(Struct(metadata=self.metadata)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """metadata.toml: what all buildpacks together make of the image."""

    processes: tuple[Process, ...] = ()
    labels: tuple[Label, ...] = ()
    slices: tuple[Slice, ...] = ()
    buildpacks: tuple[GroupElement, ...] = ()
    extensions: tuple[GroupElement, ...] = ()
    default_process_type: str = ""
    bom: tuple[BomEntry, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        table = toml.load(data, file=file)
        return cls(
            processes=tuple(map(Process.read_merged, table.tables("processes"))),
            labels=tuple(map(Label.read, table.tables("labels"))),
            slices=tuple(map(Slice.read, table.tables("slices"))),
            buildpacks=tuple(map(GroupElement.read, table.tables("buildpacks"))),
            extensions=tuple(
                GroupElement.read(entry, extension=True) for entry in table.tables("extensions")
            ),
            default_process_type=table.text("buildpack-default-process-type"),
            bom=tuple(map(BomEntry.read, table.tables("bom"))),
        )

    def write(self, platform_api: ApiVersion) -> bytes:
        """The file, as the builder writes it for `platform_api`. Raises `InvalidFile` for a process without command
        below Platform API 0.10, which has no way to write one.
        """
        tree = Struct(
            {
                "bom": ([entry.tree() for entry in self.bom] or None) if platform_api < _NO_BOM else None,
                "buildpacks": [element.tree() for element in self.buildpacks] or None,
                "extensions": [element.tree() for element in self.extensions] or None,
                "labels": [Struct(key=label.key, value=label.value) for label in self.labels] or None,
                "processes": [_process_tree(process, platform_api) for process in self.processes],
                "slices": [Struct(paths=list(part.paths) if part.stated else None) for part in self.slices]
                or None,
                "buildpack-default-process-type": self.default_process_type or None,
            }
        )
        return toml.dumps(tree).encode()


def _read_merged_command(table: Table) -> tuple[str, ...]:
    command = table.value("command")
    if isinstance(command, str):
        return (command,)
    # Launchers have always taken numbers and booleans for words here.
    if isinstance(command, list) and all(isinstance(word, str | int) for word in command):
        return tuple(str(word).lower() if isinstance(word, bool) else str(word) for word in command)
    return table.texts("command")


def _process_tree(process: Process, platform_api: ApiVersion) -> Struct:
    process = process.for_platform(platform_api)
    # The Go lifecycle writes this one key through its JSON encoder, so `<` is escaped here and nowhere else.
    words = [gojson.dumps(word) for word in process.command]
    return Struct(
        {
            "type": process.type,
            "command": toml.Verbatim(words[0] if platform_api < _COMMAND_LISTS else f"[{', '.join(words)}]"),
            "args": None if process.args is None else list(process.args),
            "direct": process.direct,
            "default": process.default or None,
            "buildpack-id": process.buildpack_id,
            "working-dir": process.working_dir or None,
            "exec-env": list(process.exec_envs) or None,
        }
    )


def _check_one_default(processes: tuple[Process, ...], table: Table) -> None:
    # A default of empty type does not count, as in the Go lifecycle.
    defaults = [process.type for process in processes if process.default]
    if any(defaults[:-1]):
        raise InvalidFile(
            f"{table.place('processes')}: {' and '.join(defaults)} are both the default; only one may be"
        )


def _read_bom(table: Table) -> tuple[BomEntry, ...]:
    entries = tuple(map(BomEntry.read, table.tables("bom")))
    for entry in entries:
        if entry.version:
            raise InvalidFile(
                f"{table.place('bom')}: {entry.name} has a version of its own; it belongs into its metadata",
                hint="move version into [bom.metadata]",
            )
    return entries


def _path(table: Table, key: str) -> str:
    found = table.text(key)
    if "\0" in found:
        raise table.wrong(key, "a path", found)
    return found
