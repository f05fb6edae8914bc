"""Which Go: what the app asks for, and the newest release that answers it.

A `go` line is the oldest Go that can build a module, a `toolchain` line the one its authors use (go.dev/ref/mod).
The newest patch of that series has the same language and the latest fixes, so it is what both are taken for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from go import errors
from pybuild.libcnb.version import numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from go.gomod import GoMod
    from pybuild.libcnb.version import Numbers

# Before this release the `go` line named the language only: any newer Go builds such a module.
FIRST_TOOLCHAINS: Numbers = (1, 21, 0)
SUPPORTED_SERIES = 2

_ASKED = re.compile(r"(?:go)?(?P<numbers>\d+(?:\.\d+){0,2})(?P<wild>(?:\.[*x])*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for: versions that begin with `series` and are at least `least`. `exact`: one version only.

    `why`: for the log. `series` is empty when any will do.
    """

    series: tuple[int, ...] = ()
    least: Numbers = (0, 0, 0)
    exact: str = ""
    why: str

    def accepts(self, version: str) -> bool:
        """Whether a release satisfies the request."""
        if self.exact:
            return version == self.exact
        found = numbers(version)
        return found[: len(self.series)] == self.series and found >= self.least


def wanted(setting: str, module: GoMod) -> Wanted:
    """The request of `BP_GO_VERSION` (`setting`), else of the toolchain line, else of the go line. Raises a `Problem`."""
    if setting:
        return _set(setting)
    for word, version in (("toolchain", module.toolchain), ("go", module.go)):
        found = re.match(r"(?:go)?(\d+\.\d+(?:\.\d+)?)", version)
        if found:
            return _stated(found[1], f"{module.file} says {word} {version}")
    return Wanted(why=f"the newest; {module.file} has no go line")


def choose(request: Wanted, releases: Iterable[str]) -> str:
    """The newest release that is asked for. Raises a `Problem` that lists what there is."""
    known = sorted(set(releases), key=numbers, reverse=True)
    for version in known:
        if request.accepts(version):
            return version
    raise errors.no_such_version(request.exact or _shown(request), request.why, _newest_of_each(known))


def supported(version: str, releases: Iterable[str]) -> bool:
    """Whether the Go project still patches a release's series: it does so for the newest two."""
    series = sorted({numbers(release)[:2] for release in releases}, reverse=True)
    return numbers(version)[:2] in series[:SUPPORTED_SERIES]


def _set(setting: str) -> Wanted:
    why = f"BP_GO_VERSION is {setting}"
    if setting.lower() in ("latest", "stable", "*"):
        return Wanted(why=why)
    found = _ASKED.fullmatch(setting)
    if not found:
        raise errors.bad_version(setting)
    text = found["numbers"]
    if text.count(".") == 2:
        return Wanted(exact=text, why=why)
    return Wanted(series=tuple(int(part) for part in text.split(".")), why=why)


def _stated(version: str, why: str) -> Wanted:
    least = numbers(version)
    if least < FIRST_TOOLCHAINS:
        return Wanted(least=least, why=f"the newest; {why}, which any newer Go builds")
    return Wanted(series=least[:2], least=least, why=why)


def _shown(request: Wanted) -> str:
    series = ".".join(map(str, request.series))
    least = ".".join(map(str, request.least))
    return f"{series or '1'}, at least {least}" if any(request.least) else series


def _newest_of_each(releases: Iterable[str]) -> tuple[str, ...]:
    newest: dict[tuple[int, ...], str] = {}
    for version in releases:
        newest.setdefault(numbers(version)[:2], version)
    return tuple(newest.values())
