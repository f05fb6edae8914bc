"""Buildpack registries: an index of text files that says which image is which version of a buildpack.

Specification: extensions/buildpack-registry.md (REG-01 to REG-04).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild import gojson
from pybuild.errors import InvalidFile, InvalidInput
from pybuild.gojson import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIELD = re.compile(r"[a-z0-9\-.]{1,253}")
_DIGEST = re.compile(r".@sha256:[0-9a-f]{64}\Z")
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryId:
    """What stands behind `urn:cnb:registry:`: `namespace/name[@version]`."""

    namespace: str
    name: str
    version: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `namespace/name[@version]`; raises `InvalidInput` (REG-01)."""
        buildpack_id, _, version = text.partition("@")
        namespace, slash, name = buildpack_id.partition("/")
        if not slash or not all(
            _FIELD.fullmatch(part) and part not in (".", "..") for part in (namespace, name)
        ):
            raise InvalidInput(
                f"{text[:200]!r} is no id of a buildpack registry: expected NAMESPACE/NAME[@VERSION] of lower-case"
                " letters, digits, - and .",
                hint="for example heroku/nodejs@3.2.1",
            )
        if version and not _SEMVER.fullmatch(version):
            raise InvalidInput(
                f"{text[:200]!r} asks for the version {version[:100]!r}: expected three numbers with dots",
                hint=f"for the newest one: {buildpack_id}",
            )
        return cls(namespace=namespace, name=name, version=version)

    @classmethod
    def looks_like(cls, text: str) -> bool:
        """Whether a bare word may be such an id."""
        try:
            cls.parse(text)
        except InvalidInput:
            return False
        return True

    @property
    def path(self) -> str:
        """Where the index has the versions of this buildpack (REG-02)."""
        name = self.name
        match len(name):
            case 1 | 2:
                folder = str(len(name))
            case 3:
                folder = f"3/{name[:2]}"
            case _:
                folder = f"{name[:2]}/{name[2:4]}"
        return f"{folder}/{self.namespace}_{name}"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}{'@' if self.version else ''}{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """One line of an index file: a version, and the image that is it, by digest."""

    namespace: str
    name: str
    version: str
    address: str
    yanked: bool = False

    def write(self) -> str:
        """The line, with its end (REG-03)."""
        line = Struct(
            ns=self.namespace, name=self.name, version=self.version, yanked=self.yanked, addr=self.address
        )
        return gojson.dumps(line) + "\n"


def read_entries(text: bytes, where: str) -> tuple[RegistryEntry, ...]:
    """The lines of an index file, one JSON object each (REG-03). Raises `InvalidFile`."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        value = gojson.loads(line, where=f"{where}: line {number}")
        if not isinstance(value, dict):
            raise InvalidFile(f"{where}: line {number}: expected an object")
        texts = {key: value.get(key) for key in ("ns", "name", "version", "addr")}
        wrong = next((key for key, item in texts.items() if not isinstance(item, str)), None)
        if wrong or not isinstance(value.get("yanked", False), bool):
            raise InvalidFile(
                f"{where}: line {number}: {wrong or 'yanked'}: expected {'a string' if wrong else 'true or false'}"
            )
        found.append(
            RegistryEntry(
                namespace=str(texts["ns"]),
                name=str(texts["name"]),
                version=str(texts["version"]),
                address=str(texts["addr"]),
                yanked=bool(value.get("yanked", False)),
            )
        )
    return tuple(found)


def choose(entries: Sequence[RegistryEntry], wanted: RegistryId, where: str) -> RegistryEntry:
    """The entry that is meant: of that version, or the highest that is not yanked (REG-04).

    A later line for the same version takes the place of an earlier one. Raises `InvalidInput`, also for an address
    that is no digest: a tag may be another image tomorrow.
    """
    own = {
        each.version: each
        for each in entries
        if (each.namespace, each.name) == (wanted.namespace, wanted.name)
    }
    usable = sorted(
        (each for each in own.values() if not each.yanked), key=lambda each: precedence(each.version)
    )
    if wanted.version and wanted.version not in own:
        raise InvalidInput(
            f"{where} has no version {wanted.version} of {wanted.namespace}/{wanted.name}",
            hint=f"it has {', '.join(each.version for each in usable[-8:])}"
            if usable
            else "look at its name",
        )
    if wanted.version and own[wanted.version].yanked:
        raise InvalidInput(
            f"{wanted} has been yanked from {where}: its authors do not want it used",
            hint=f"take {usable[-1].version}" if usable else "there is no other version",
        )
    if not usable:
        raise InvalidInput(f"{where} has no usable version of {wanted}", hint="look at its name")
    chosen = own[wanted.version] if wanted.version else usable[-1]
    if not _DIGEST.search(chosen.address):
        raise InvalidInput(f"{where}: the address of {wanted}, {chosen.address!r}, has no digest")
    return chosen


def precedence(version: str) -> tuple[object, ...]:
    """A key that sorts versions as semver.org, section 11, has it; what is no version sorts first."""
    found = _SEMVER.fullmatch(version)
    if found is None:
        return (0, version)
    numbers = tuple(int(found[group]) for group in (1, 2, 3))
    parts = tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in (found[4] or "").split(".") if part
    )
    # Without a pre-release part it is the release itself, which comes after all of them.
    return (1, numbers, not parts, parts)
