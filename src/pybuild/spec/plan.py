"""What modules provide and require: the build plan that detect writes, plan.toml, and one buildpack's plan.

Specification: buildpack.md, "Build Plan" and "Buildpack Plan"; platform.md, "plan.toml".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pybuild.gojson import Struct
from pybuild.spec import toml
from pybuild.spec.names import check_id, check_version

if TYPE_CHECKING:
    from pybuild.spec.toml import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Require:
    """One `[[requires]]` or plan entry. `metadata` None: the file has no such table, unlike an empty one.

    `version` is the key that Buildpack API 0.3 deprecated; whoever reads it from a buildpack has to refuse it.
    """

    name: str
    version: str = ""
    metadata: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table; raises `InvalidFile`."""
        # What is no table was never an error, and never arrived anywhere.
        metadata = table.value("metadata")
        return cls(
            name=table.text("name"),
            version=table.text("version"),
            metadata=metadata if isinstance(metadata, Mapping) else None,
        )

    def tree(self) -> Struct:
        """Its table."""
        return Struct(name=self.name, version=self.version or None, metadata=self.metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOption:
    """One way in which a module can take part."""

    provides: tuple[str, ...] = ()
    requires: tuple[Require, ...] = ()

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table; raises `InvalidFile`."""
        return cls(
            provides=tuple(entry.text("name") for entry in table.tables("provides")),
            requires=tuple(map(Require.read, table.tables("requires"))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """What bin/detect wrote: the top level first, then each `[[or]]`; an empty file is one empty option."""

    options: tuple[PlanOption, ...] = (PlanOption(),)

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        table = toml.load(data, file=file)
        return cls(options=tuple(map(PlanOption.read, (table, *table.tables("or")))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A module that provides what a plan entry is about."""

    id: str
    version: str
    extension: bool = False

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table; raises `InvalidFile`."""
        return cls(
            id=check_id(table.text("id"), table.place("id")),
            version=check_version(table.text("version"), table.place("version")),
            extension=table.flag("extension"),
        )

    def tree(self) -> Struct:
        """Its table."""
        return Struct(id=self.id, version=self.version, extension=self.extension or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEntry:
    """Who provides one dependency, and every requirement of it."""

    providers: tuple[Provider, ...] = ()
    requires: tuple[Require, ...] = ()

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table; raises `InvalidFile`."""
        return cls(
            providers=tuple(map(Provider.read, table.tables("providers"))),
            requires=tuple(map(Require.read, table.tables("requires"))),
        )

    def tree(self) -> Struct:
        """Its table."""
        return Struct(
            providers=[provider.tree() for provider in self.providers],
            requires=[require.tree() for require in self.requires],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """plan.toml: the result of detection."""

    entries: tuple[PlanEntry, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        table = toml.load(data, file=file)
        return cls(entries=tuple(map(PlanEntry.read, table.tables("entries"))))

    def write(self) -> bytes:
        """The file."""
        return toml.dumps(Struct(entries=[entry.tree() for entry in self.entries] or None)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildpackPlan:
    """The part of the plan that one module has to provide, as bin/build and bin/generate read it."""

    entries: tuple[Require, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        table = toml.load(data, file=file)
        return cls(entries=tuple(map(Require.read, table.tables("entries"))))

    def write(self) -> bytes:
        """The file."""
        return toml.dumps(Struct(entries=[entry.tree() for entry in self.entries] or None)).encode()
