"""Targets: what an image is, what a buildpack declares to run on, and whether the two fit.

Specification: buildpack.md, "Targets"; platform.md, "analyzed.toml" and "Target Data".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidInput
from pybuild.gojson import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.spec.toml import Table

SYSTEMS = ("linux", "windows", "darwin", "freebsd")
ARCHITECTURES = frozenset(
    (
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mipsle",
        "ppc64",
        "ppc64le",
        "riscv64",
        "s390x",
    )
)
"""In OCI's words, which are Go's; what else there is has no container images."""

_FORM = "expected OS[/ARCH[/VARIANT]][:DISTRO@VERSION[;DISTRO@VERSION]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distro:
    """A distribution, in the words of its /etc/os-release: `ID` and `VERSION_ID`."""

    name: str = ""
    version: str = ""

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table; raises `InvalidFile`."""
        return cls(name=table.text("name"), version=table.text("version"))

    def tree(self) -> Struct:
        """Its object or table."""
        return Struct(
            {key: value for key, value in (("name", self.name), ("version", self.version)) if value}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one image is; os, arch and variant in OCI's words. `id`: label io.buildpacks.base.id."""

    os: str = ""
    arch: str = ""
    variant: str = ""
    distro: Distro | None = None
    id: str = ""

    @property
    def platform(self) -> str:
        """`os/arch[/variant]`, as `--platform` takes it."""
        return "/".join(filter(None, (self.os, self.arch, self.variant)))

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

    @classmethod
    def parse(cls, word: str) -> Self:
        """From `os[/arch[/variant]][:distro[@version][;distro[@version]…]]`; raises `InvalidInput`."""
        place, _, distros = word.partition(":")
        parts = place.split("/")
        if len(parts) > 3 or not all(parts) or parts[0] not in SYSTEMS:
            raise InvalidInput(f"{word[:100]!r} is no target: {_FORM}", hint="--target linux/amd64")
        os, arch, variant = (*parts, "", "")[:3]
        if arch and arch not in ARCHITECTURES:
            raise InvalidInput(
                f"the target {word[:100]!r} has the unknown architecture {arch[:40]!r}",
                hint=f"known are {', '.join(sorted(ARCHITECTURES))}",
            )
        return cls(os=os, arch=arch, variant=variant, distros=tuple(_distros(distros, word)))

    def tree(self) -> Struct:
        """Its object in a label, or its table in buildpack.toml, as pack writes it."""
        tree = Struct(os=self.os, arch=self.arch)
        if self.variant:
            tree["variant"] = self.variant
        if self.distros:
            tree["distros"] = [each.tree() for each in self.distros]
        return tree

    def __str__(self) -> str:
        distros = ";".join(f"{each.name}{'@' if each.version else ''}{each.version}" for each in self.distros)
        place = "/".join(filter(None, (self.os, self.arch, self.variant)))
        return f"{place}:{distros}" if distros else place


def _distros(text: str, word: str) -> Iterator[Distro]:
    for each in text.split(";") if text else ():
        name, _, version = each.partition("@")
        if not name or "@" in version:
            raise InvalidInput(f"{word[:100]!r} is no target: {_FORM}", hint="--target linux/amd64:debian@12")
        yield Distro(name=name, version=version)


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
