"""builder.toml: what a builder is to be made of. Specification: pack's format, BTM-06 to BTM-08.

Nobody but a person writes this file, so a key that means nothing is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidFile
from pybuild.spec import toml
from pybuild.spec.order import Order, System, read_exec_envs, read_order
from pybuild.spec.run_image import RunImageName
from pybuild.spec.target import TargetSpec

if TYPE_CHECKING:
    from pybuild.spec.toml import Table

SUFFIXES = ("", "default", "override", "append", "prepend")
# A dot would begin the suffix of the file's name.
_VARIABLE = re.compile(r"[^\s\x00-\x20\x7f=/.]{1,200}")
_KEYS = (
    "description",
    "buildpacks",
    "extensions",
    "order",
    "order-extensions",
    "stack",
    "lifecycle",
    "run",
    "build",
    "targets",
    "system",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSource:
    """An entry of `[[buildpacks]]` or `[[extensions]]`. `uri`: where it is; `id`, `version`: what it must be, or ""."""

    uri: str
    id: str = ""
    version: str = ""

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table; the deprecated `image` is a uri, too."""
        table.only("id", "version", "uri", "image")
        uri, image = table.text("uri"), table.text("image")
        if bool(uri) == bool(image):
            raise InvalidFile(f"{table.place('uri')}: expected one of uri and image")
        return cls(uri=uri or f"docker://{image}", id=table.text("id"), version=table.text("version"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildVariable:
    """An entry of `[[build.env]]`: a variable that buildpacks get whatever the user says."""

    name: str
    value: str
    suffix: str = ""
    delim: str = ""

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table."""
        table.only("name", "value", "suffix", "delim", "exec-env")
        suffix = table.text("suffix")
        if suffix not in SUFFIXES:
            raise InvalidFile(
                f"{table.place('suffix')}: {suffix!r} is no suffix; expected one of {', '.join(SUFFIXES[1:])}"
            )
        name = table.needed("name")
        if not _VARIABLE.fullmatch(name):
            raise InvalidFile(f"{table.place('name')}: {name[:60]!r} cannot be a variable's name")
        return cls(
            name=name,
            value=table.text("value"),
            suffix=suffix,
            delim=table.text("delim"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderToml:
    """The file. `lifecycle_uri` and `lifecycle_version` are never both given; `stack_id` "" without `[stack]`."""

    build_image: str
    run_images: tuple[RunImageName, ...]
    description: str = ""
    buildpacks: tuple[ModuleSource, ...] = ()
    extensions: tuple[ModuleSource, ...] = ()
    order: Order = ()
    order_extensions: Order = ()
    system: System = field(default_factory=System)
    stack_id: str = ""
    lifecycle_uri: str = ""
    lifecycle_version: str = ""
    build_env: tuple[BuildVariable, ...] = ()
    targets: tuple[TargetSpec, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile` with the place."""
        table = toml.load(data, file=file).only(*_KEYS)
        stack = table.table("stack").only("id", "build-image", "run-image", "run-image-mirrors")
        lifecycle = table.table("lifecycle").only("uri", "version")
        if lifecycle.text("uri") and lifecycle.text("version"):
            raise InvalidFile(f"{lifecycle.place()}: expected uri or version, found both")
        system = table.table("system").only("pre", "post")
        for half in ("pre", "post"):
            system.table(half).only("buildpacks")
        return cls(
            description=table.text("description"),
            buildpacks=tuple(map(ModuleSource.read, table.tables("buildpacks"))),
            extensions=tuple(map(ModuleSource.read, table.tables("extensions"))),
            order=_order(table, "order"),
            order_extensions=_order(table, "order-extensions"),
            system=System.of(system),
            stack_id=stack.text("id"),
            build_image=_build_image(table, stack),
            run_images=_run_images(table, stack),
            lifecycle_uri=lifecycle.text("uri"),
            lifecycle_version=lifecycle.text("version"),
            build_env=_build_env(table.table("build")),
            targets=tuple(map(_target, table.tables("targets"))),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, but seldom meant."""
        found = [f"build.env: the value of {each.name} is empty" for each in self.build_env if not each.value]
        if not self.order:
            found.insert(0, "the order is empty: users must name buildpacks with --buildpack")
        return tuple(found)

    def build_env_files(self) -> dict[str, bytes]:
        """The files of `/cnb/build-config/env`, by name; of two for the same name the later one counts."""
        files: dict[str, bytes] = {}
        for each in self.build_env:
            if each.delim:
                files[f"{each.name}.delim"] = each.delim.encode()
            files[f"{each.name}.{each.suffix}" if each.suffix else each.name] = each.value.encode()
        return files


def _order(table: Table, key: str) -> Order:
    for group in table.tables(key):
        group.only("group")
        for ref in group.tables("group"):
            ref.only("id", "version", "optional", "exec-env")
            if not ref.text("id"):
                raise InvalidFile(f"{ref.place('id')}: expected the id of a buildpack or extension")
            read_exec_envs(ref)
    return read_order(table, key)


def _target(table: Table) -> TargetSpec:
    table.only("os", "arch", "variant", "arch-variant", "distros")
    return TargetSpec.read(table)


def _build_image(table: Table, stack: Table) -> str:
    build = table.table("build").only("image", "env")
    new, old = build.text("image"), stack.text("build-image")
    if new and old and new != old:
        raise InvalidFile(f"{build.place('image')}: {new!r} is not stack.build-image, {old!r}")
    if not (new or old):
        raise InvalidFile(
            f"{build.place('image')}: expected the image that buildpacks run in, found nothing",
            hint='add: [build] image = "pybuild/build:debian-12"',
        )
    return new or old


def _run_images(table: Table, stack: Table) -> tuple[RunImageName, ...]:
    run = table.table("run").only("images")
    found = tuple(RunImageName.read(each.only("image", "mirrors")) for each in run.tables("images"))
    for number, each in enumerate(found):
        if not each.image:
            raise InvalidFile(
                f"{run.place('images')}[{number}].image: expected an image's name, found nothing"
            )
    old = stack.text("run-image")
    if found and old and found[0].image != old:
        raise InvalidFile(
            f"{run.place('images')}[0].image: {found[0].image!r} is not stack.run-image, {old!r}"
        )
    if not found and old and stack.text("id"):
        return (RunImageName(image=old, mirrors=stack.texts("run-image-mirrors")),)
    if not found:
        raise InvalidFile(
            f"{run.place('images')}: expected one run image or more, found none",
            hint='add: [[run.images]] image = "pybuild/run:debian-12"',
        )
    return found


def _build_env(build: Table) -> tuple[BuildVariable, ...]:
    tables = build.tables("env")
    found = tuple(map(BuildVariable.read, tables))
    delimited = {each.name for each in found if each.delim}
    for table, each in zip(tables, found, strict=True):
        if each.suffix in ("append", "prepend") and each.name not in delimited:
            raise InvalidFile(
                f"{table.place('delim')}: the suffix {each.suffix} needs a delim, which stands between the values",
                hint='for a list of folders: delim = ":"',
            )
    return found
