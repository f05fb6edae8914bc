"""Which modules to try and which were chosen: order.toml, system.toml and group.toml.

Specification: platform.md, "order.toml", "system.toml" and "group.toml"; buildpack.md, "Order Resolution".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from pybuild.gojson import Struct
from pybuild.spec import toml
from pybuild.spec.names import check_id, check_version

if TYPE_CHECKING:
    from pybuild.spec.toml import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRef:
    """A buildpack or extension named in an order. `exec_envs`: where it takes part; empty is everywhere."""

    id: str
    version: str
    optional: bool = False
    exec_envs: tuple[str, ...] = ()

    @classmethod
    def read(cls, table: Table) -> Self:
        """From one `[[order.group]]`."""
        return cls(
            id=check_id(table.text("id"), table.place("id")),
            version=check_version(table.text("version"), table.place("version")),
            optional=table.flag("optional"),
            exec_envs=read_exec_envs(table),
        )

    def tree(self) -> Struct:
        """Its table or object: whatever says nothing is left out."""
        return Struct(
            {
                key: value
                for key, value in (
                    ("id", self.id),
                    ("version", self.version),
                    ("exec-env", list(self.exec_envs)),
                    ("optional", self.optional),
                )
                if value
            }
        )

    def __str__(self) -> str:
        return f"{self.id}@{self.version}" if self.version else self.id


Order = tuple[tuple[ModuleRef, ...], ...]


def read_order(table: Table, key: str = "order") -> Order:
    """The groups of `[[order]]`, in a platform's order.toml or a composite's buildpack.toml."""
    return tuple(tuple(map(ModuleRef.read, group.tables("group"))) for group in table.tables(key))


def order_tree(order: Order) -> list[Struct]:
    """The groups of an order as they are written: as tables of TOML, and as objects in labels."""
    return [Struct(group=[ref.tree() for ref in group]) for group in order]


def read_exec_envs(table: Table) -> tuple[str, ...]:
    """`exec-env`: an array of strings as the Go lifecycle and pack write it, or the specification's array of tables."""
    found = table.value("exec-env")
    if isinstance(found, list) and found and isinstance(found[0], dict):
        return tuple(entry.text("name") for entry in table.tables("exec-env"))
    return table.texts("exec-env")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFile:
    """order.toml. Every extension is optional, whatever the file says."""

    order: Order = ()
    order_extensions: Order = ()

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        table = toml.load(data, file=file)
        extensions = read_order(table, "order-extensions")
        return cls(
            order=read_order(table),
            order_extensions=tuple(
                tuple(replace(ref, optional=True) for ref in group) for group in extensions
            ),
        )

    def write(self) -> bytes:
        """The file as pack writes it: `optional` only where it is true."""
        order = order_tree(self.order)
        extensions = order_tree(
            tuple(tuple(replace(ref, optional=False) for ref in group) for group in self.order_extensions)
        )
        tree = Struct({"order": order or None, "order-extensions": extensions or None})
        return toml.dumps(tree).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """system.toml: buildpacks that come before and after every group's own."""

    pre: tuple[ModuleRef, ...] = ()
    post: tuple[ModuleRef, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        system = toml.load(data, file=file).table("system")
        return cls.of(system)

    @classmethod
    def of(cls, table: Table) -> Self:
        """From the table `[system]`, or the object in a builder's label."""
        pre, post = (
            tuple(map(ModuleRef.read, table.table(key).tables("buildpacks"))) for key in ("pre", "post")
        )
        return cls(pre=pre, post=post)

    def tree(self) -> Struct:
        """Its object in the label. Both halves are there, as pack writes them."""
        halves = (("pre", self.pre), ("post", self.post))
        return Struct(
            {
                key: Struct(buildpacks=[ref.tree() for ref in refs]) if refs else Struct()
                for key, refs in halves
            }
        )

    def write(self) -> bytes:
        """system.toml, as pack writes it: a half that is empty is left out."""
        halves = Struct({key: half for key, half in self.tree().items() if half})
        return toml.dumps(Struct(system=halves)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupElement:
    """One module of the group that passed detection."""

    id: str
    version: str
    api: str = ""
    homepage: str = ""
    optional: bool = False
    extension: bool = False

    @classmethod
    def read(cls, table: Table, *, extension: bool = False) -> Self:
        """From one `[[group]]` or `[[group-extensions]]`; extensions are optional."""
        return cls(
            id=check_id(table.text("id"), table.place("id")),
            version=check_version(table.text("version"), table.place("version")),
            api=table.text("api"),
            homepage=table.text("homepage"),
            optional=extension or table.flag("optional"),
            extension=extension or table.flag("extension"),
        )

    def tree(self) -> Struct:
        """The element's table; that it is an extension shows in the list it stands in."""
        return Struct(
            {
                "id": self.id,
                "version": self.version,
                "api": self.api or None,
                "homepage": self.homepage or None,
                "optional": (self.optional and not self.extension) or None,
            }
        )

    def __str__(self) -> str:
        return f"{self.id}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """group.toml: the modules that run, in the order they run in."""

    buildpacks: tuple[GroupElement, ...] = ()
    extensions: tuple[GroupElement, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        table = toml.load(data, file=file)
        return cls(
            buildpacks=tuple(map(GroupElement.read, table.tables("group"))),
            extensions=tuple(
                GroupElement.read(entry, extension=True) for entry in table.tables("group-extensions")
            ),
        )

    def write(self) -> bytes:
        """The file, as the detector writes it."""
        buildpacks = [element.tree() for element in self.buildpacks]
        extensions = [element.tree() for element in self.extensions]
        tree = Struct()
        if buildpacks or extensions:
            tree["group"] = buildpacks
        if extensions:
            tree["group-extensions"] = extensions
        return toml.dumps(tree).encode()
