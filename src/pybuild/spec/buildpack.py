"""buildpack.toml and extension.toml: who a module is, where it runs, and what a composite is made of.

Specification: buildpack.md, "buildpack.toml" and "Targets"; image_extension.md, "extension.toml".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.spec import toml
from pybuild.spec.api import ApiVersion
from pybuild.spec.names import check_id, check_version, escape_id
from pybuild.spec.order import Order, read_exec_envs, read_order
from pybuild.spec.target import Distro, TargetSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pybuild.spec.toml import Table

__all__ = ["Descriptor", "License", "Stack", "escape_id"]

SBOM_FORMATS = ("application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.syft+json")

_BIONIC = TargetSpec(os="linux", arch="amd64", distros=(Distro(name="ubuntu", version="18.04"),))
_PROGRAMS = {
    "buildpack": (frozenset({"build"}), frozenset({"build.bat", "build.exe"})),
    "extension": (frozenset({"detect", "generate"}), frozenset({"generate.bat", "generate.exe"})),
}
_RESERVED = {"app": (0, 7), "config": (0, 7), "sbom": (0, 8), "generated": (0, 9)}


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """An entry of `[[buildpack.licenses]]`: an SPDX identifier, or where the text is."""

    type: str = ""
    uri: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """An entry of the deprecated `[[stacks]]`."""

    id: str
    mixins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One buildpack or extension. `api` is the text of the file: whether we speak it, `spec.api` decides.

    `targets` are the declared ones (`declared_targets`), or those that deprecated stacks stand for; when there are
    neither, `inferred_targets` goes by the programs in bin/. `exec_envs` empty: every one.
    """

    kind: Literal["buildpack", "extension"] = "buildpack"
    api: str
    id: str
    version: str
    name: str = ""
    homepage: str = ""
    description: str = ""
    clear_env: bool = False
    keywords: tuple[str, ...] = ()
    licenses: tuple[License, ...] = ()
    sbom_formats: tuple[str, ...] = ()
    exec_envs: tuple[str, ...] = ()
    targets: tuple[TargetSpec, ...] = ()
    declared_targets: tuple[TargetSpec, ...] = ()
    stacks: tuple[Stack, ...] = ()
    order: Order = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes, file: str, *, kind: Literal["buildpack", "extension"] = "buildpack") -> Self:
        """The descriptor in `data`. Raises `InvalidFile`."""
        document = toml.load(data, file=file)
        about = document.table(kind)
        api = document.text("api")
        stacks = tuple(
            Stack(id=entry.text("id"), mixins=entry.texts("mixins")) for entry in document.tables("stacks")
        )
        declared = tuple(map(TargetSpec.read, document.tables("targets")))
        return cls(
            kind=kind,
            api=api,
            id=_own_id(about, api),
            version=check_version(about.needed("version"), about.place("version")),
            name=about.text("name"),
            homepage=about.text("homepage"),
            description=about.text("description"),
            clear_env=about.flag("clear-env"),
            keywords=about.texts("keywords"),
            licenses=tuple(
                License(type=entry.text("type"), uri=entry.text("uri")) for entry in about.tables("licenses")
            ),
            sbom_formats=about.texts("sbom-formats"),
            exec_envs=read_exec_envs(about),
            targets=declared or _translated(stacks, api),
            declared_targets=declared,
            stacks=stacks,
            order=() if kind == "extension" else read_order(document),
            metadata=document.table("metadata").raw(),
        )

    @property
    def is_composite(self) -> bool:
        """Whether it is an order of other buildpacks, with no programs of its own."""
        return bool(self.order)

    def inferred_targets(self, programs: Collection[str]) -> tuple[TargetSpec, ...]:
        """The targets, given the names of the files in bin/; empty (anything fits) when even those say nothing."""
        if self.targets:
            return self.targets
        linux, windows = _PROGRAMS[self.kind]
        found = []
        if linux.intersection(programs):
            found.append(TargetSpec(os="linux"))
        if windows.intersection(programs):
            found.append(TargetSpec(os="windows"))
        return tuple(found)

    def __str__(self) -> str:
        return f"{self.id}@{self.version}"


def _own_id(about: Table, api: str) -> str:
    found = check_id(about.needed("id"), about.place("id"))
    since = _RESERVED.get(found)
    if since and _at_least(api, since):
        raise InvalidFile(f"{about.place('id')}: {found} is reserved; choose another id")
    return found


def _translated(stacks: tuple[Stack, ...], api: str) -> tuple[TargetSpec, ...]:
    """Buildpack API, "Deprecations": what the deprecated stacks mean as targets."""
    targets = []
    for stack in stacks:
        if stack.id == "*":
            targets.append(TargetSpec())
        # Before 0.10 a buildpack for several stacks was taken to run on any of them, known or not.
        elif stack.id == "io.buildpacks.stacks.bionic" and (len(stacks) == 1 or _at_least(api, (0, 10))):
            targets.append(_BIONIC)
    return tuple(targets)


def _at_least(api: str, least: tuple[int, int]) -> bool:
    try:
        return ApiVersion.parse(api) >= ApiVersion(*least)
    except InvalidInput:
        return False
