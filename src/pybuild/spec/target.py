"""Targets: what an image is, what a buildpack declares to run on, and whether the two fit.

Specification: buildpack.md, "Targets"; platform.md, "analyzed.toml" and "Target Data".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.gojson import Struct

if TYPE_CHECKING:
    from pybuild.spec.toml import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Distro:
    """A distribution, in the words of its /etc/os-release: `ID` and `VERSION_ID`."""

    name: str = ""
    version: str = ""

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table; raises `InvalidFile`."""
        return cls(name=table.text("name"), version=table.text("version"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one image is; os, arch and variant in OCI's words. `id`: label io.buildpacks.base.id."""

    os: str = ""
    arch: str = ""
    variant: str = ""
    distro: Distro | None = None
    id: str = ""

    @classmethod
    def read(cls, table: Table) -> Self:
        """From `[run-image.target]` of analyzed.toml; both spellings of the variant are read."""
        distro = table.optional_table("distro")
        return cls(
            os=table.text("os"),
            arch=table.text("arch"),
            variant=table.text("arch-variant") or table.text("variant"),
            distro=Distro.read(distro) if distro else None,
            id=table.text("id"),
        )

    def write(self) -> Struct:
        """The table of analyzed.toml."""
        distro = self.distro and Struct(name=self.distro.name, version=self.distro.version)
        return Struct(
            {
                "id": self.id or None,
                "os": self.os,
                "arch": self.arch,
                "arch-variant": self.variant or None,
                "distro": distro,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """What a buildpack declares in `[[targets]]`; whatever is empty matches anything."""

    os: str = ""
    arch: str = ""
    variant: str = ""
    distros: tuple[Distro, ...] = ()

    @classmethod
    def read(cls, table: Table) -> Self:
        """From one `[[targets]]`. The specification says `variant`, the Go lifecycle reads `arch-variant`."""
        return cls(
            os=table.text("os"),
            arch=table.text("arch"),
            variant=table.text("arch-variant") or table.text("variant"),
            distros=tuple(map(Distro.read, table.tables("distros"))),
        )


def matches(spec: TargetSpec, target: Target) -> bool:
    """Whether a module that declares `spec` may run on `target`.

    An os, architecture or variant that either side leaves open fits. Declared distributions do not fit an image
    whose distribution is unknown.
    """
    if not (
        _fits(spec.os, target.os) and _fits(spec.arch, target.arch) and _fits(spec.variant, target.variant)
    ):
        return False
    if not spec.distros:
        return True
    known = target.distro
    return known is not None and any(
        _fits(distro.name, known.name) and _fits(distro.version, known.version) for distro in spec.distros
    )


def environ(target: Target) -> dict[str, str]:
    """The `CNB_TARGET_*` variables, in the order buildpacks get them; those of unknown value are left out."""
    distro = target.distro or Distro()
    optional = {
        "CNB_TARGET_ARCH_VARIANT": target.variant,
        "CNB_TARGET_DISTRO_NAME": distro.name,
        "CNB_TARGET_DISTRO_VERSION": distro.version,
    }
    always = {"CNB_TARGET_OS": target.os, "CNB_TARGET_ARCH": target.arch}
    return always | {name: value for name, value in optional.items() if value}


def _fits(one: str, other: str) -> bool:
    return not one or not other or one == other
