"""What dpkg knows about packages: control stanzas, package URLs, and stand-ins for packages that need not be there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidFile
from pybuild.libcnb import purl
from pybuild.libcnb.sbom import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Deb:
    """A package at one version: what apt resolves to, and what a layer's key lists."""

    name: str
    version: str
    arch: str

    @classmethod
    def from_file_name(cls, file_name: str) -> Self:
        """`libmagic1_1%3a5.44-3_amd64.deb` as apt names it in its archive folder. Raises `InvalidFile`."""
        parts = file_name.removesuffix(".deb").split("_")
        if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
            raise InvalidFile(f"{file_name!r} is no name of a Debian package's file")
        return cls(name=parts[0], version=parts[1].replace("%3a", ":"), arch=parts[2])

    @property
    def file_name(self) -> str:
        """The file in apt's archive folder."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.arch}.deb"

    @property
    def choice(self) -> str:
        """What makes apt take this very package: `libmagic1:amd64=1:5.44-3`."""
        # One for all architectures goes without, lest apt look for it among those of its own.
        return str(self) if self.arch == "all" else f"{self.name}:{self.arch}={self.version}"

    def __str__(self) -> str:
        return f"{self.name}={self.version}"


def upstream(version: str) -> str:
    """The upstream part of a Debian version: `1:8.2.36-1~deb12u1` → `8.2.36`; what Debian appends to it goes too."""
    text = version.split(":", 1)[-1].rsplit("-", 1)[0]
    return re.split(r"[+~]", text)[0]


def begins_with(version: str, wanted: str) -> bool:
    """Whether a version is `wanted` or a more precise form of it: 8.2.36 is 8, 8.2, 8.2.* and 8.2.36."""
    parts = wanted.strip().removesuffix(".*").split(".")
    return version.split(".")[: len(parts)] == parts


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The stanzas of a control file as field → value; continuation lines are joined by newlines."""
    for block in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        last = ""
        for line in block.split("\n"):
            if line[:1] in (" ", "\t") and last:
                fields[last] += f"\n{line.strip()}"
            elif ":" in line:
                last, value = line.split(":", 1)
                fields[last] = value.strip()
        if fields:
            yield fields


def installed(status: str) -> dict[str, str]:
    """Name → version of every package that a dpkg status file calls installed."""
    return {
        fields["Package"]: fields.get("Version", "")
        for fields in stanzas(status)
        if "Package" in fields and fields.get("Status", "").endswith(" installed")
    }


def essential(status: str) -> str:
    """Of a dpkg status, the stanzas of essential packages and of all that they depend on: what every image has."""
    blocks: dict[str, tuple[str, dict[str, str]]] = {}
    for block in re.split(r"\n[ \t]*\n", status):
        for fields in stanzas(block):
            if "Package" in fields and fields.get("Status", "").endswith(" installed"):
                blocks.setdefault(fields["Package"], (block.strip("\n"), fields))
    # Who may be depended on by a name: the package itself, else those that provide it, as mawk does awk.
    known = {name: name for name in blocks}
    for name, (_, fields) in blocks.items():
        for provided in _names(fields.get("Provides", "")):
            known.setdefault(provided, name)
    waiting = [name for name, (_, fields) in blocks.items() if fields.get("Essential") == "yes"]
    kept: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in kept:
            continue
        kept.add(name)
        fields = blocks[name][1]
        for group in re.split(r"[,\n]", f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}"):
            waiting += [known[choice] for choice in _names(group, "|") if choice in known][:1]
    return "\n\n".join(text for name, (text, _) in blocks.items() if name in kept)


def _names(text: str, separator: str = ",") -> list[str]:
    """The names in a list of packages, versions and architectures left out."""
    return [word.split()[0].split(":")[0] for word in text.split(separator) if word.strip()]


def stand_in(name: str, arch: str) -> str:
    """A stanza that makes apt believe a package to be installed, in a version newer than anyone asks for."""
    return (
        f"Package: {name}\nStatus: install ok installed\nVersion: 999:0\nArchitecture: {arch}\n"
        "Multi-Arch: foreign\nMaintainer: none\nDescription: not needed in an app image\n\n"
    )


def as_installed(control: str) -> str:
    """A package's control text as a stanza of a status file."""
    return f"{control.strip()}\nStatus: install ok installed\n\n"


def component(
    fields: Mapping[str, str], *, distro: str, distro_version: str, licences: tuple[str, ...] = ()
) -> Component:
    """A package's control fields as a component of a bill of materials; purl type `deb`."""
    name, version = fields["Package"], fields.get("Version", "")
    source = fields.get("Source", "").split(" ")[0]
    qualifiers = {
        "arch": fields.get("Architecture", ""),
        "distro": f"{distro}-{distro_version}" if distro_version else "",
        "upstream": source if source != name else "",
    }
    return Component(
        name=name,
        version=version,
        purl=purl.deb(name, version, distro=distro, qualifiers=qualifiers),
        licences=licences,
        description=fields.get("Description", "").split("\n")[0],
        publisher=fields.get("Maintainer", ""),
        homepage=fields.get("Homepage", ""),
        where=f"var/lib/dpkg/status.d/{name}",
    )


def components(
    controls: Iterable[str],
    *,
    distro: str,
    distro_version: str,
    licences: Callable[[str], tuple[str, ...]] = lambda _: (),
) -> list[Component]:
    """Control texts as components; `licences` knows those of a package by its name."""
    return [
        component(fields, distro=distro, distro_version=distro_version, licences=licences(fields["Package"]))
        for control in controls
        for fields in stanzas(control)
        if "Package" in fields
    ]
