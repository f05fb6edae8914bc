"""API versions: what this implementation speaks, and which one of it a platform or buildpack asks for.

Specification: buildpack.md, "Buildpack API Version"; platform.md, "Platform API Compatibility".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from pybuild.errors import BuildpackApiUnsupported, InvalidInput, PlatformApiUnsupported

_GRAMMAR = re.compile(r"v?([0-9]{1,9})\.?([0-9]{0,9})")


@dataclass(frozen=True, slots=True, order=True)
class ApiVersion:
    """`major.minor`, ordered."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`0.10`, `v0.10` or `1` (for `1.0`); raises `InvalidInput` for anything else."""
        found = _GRAMMAR.fullmatch(text)
        if not found:
            raise InvalidInput(f"{text[:40]!r} is no API version; expected MAJOR.MINOR, such as 0.10")
        return cls(int(found[1]), int(found[2] or 0))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


PLATFORM_APIS = tuple(ApiVersion(0, minor) for minor in range(7, 16))
BUILDPACK_APIS = tuple(ApiVersion(0, minor) for minor in range(7, 13))


def check_platform_api(text: str) -> ApiVersion:
    """The Platform API `text`, if we speak it; else `PlatformApiUnsupported` (exit code 11)."""
    try:
        version = ApiVersion.parse(text)
    except InvalidInput as exc:
        raise PlatformApiUnsupported(f"Platform API: {exc}", hint=_range(PLATFORM_APIS)) from exc
    if version not in PLATFORM_APIS:
        raise PlatformApiUnsupported(f"Platform API {version} is not supported", hint=_range(PLATFORM_APIS))
    return version


def check_buildpack_api(text: str, who: str) -> ApiVersion:
    """The Buildpack API `text` that `who` (such as `buildpack acme/go@1.0`) asks for, if we speak it.

    Raises `BuildpackApiUnsupported` (exit code 12).
    """
    try:
        version = ApiVersion.parse(text)
    except InvalidInput as exc:
        raise BuildpackApiUnsupported(f"{who}: Buildpack API: {exc}", hint=_range(BUILDPACK_APIS)) from exc
    if version not in BUILDPACK_APIS:
        raise BuildpackApiUnsupported(
            f"{who}: buildpack API version '{version}' is incompatible with the lifecycle",
            hint=_range(BUILDPACK_APIS),
        )
    return version


def _range(versions: tuple[ApiVersion, ...]) -> str:
    return f"supported are {versions[0]} to {versions[-1]}"
