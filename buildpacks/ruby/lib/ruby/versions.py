"""Which Ruby: RubyGems' version requirements, and the choice among what the package sources have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.libcnb.dpkg import begins_with
from pybuild.libcnb.dpkg import upstream as debian_upstream
from pybuild.libcnb.version import after, at_least, below, numbers, series
from ruby import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.version import Test

_SERIES = re.compile(r"ruby(\d+\.\d+)")
_PART = re.compile(r"(~>|>=|<=|!=|=|>|<)?\s*(\d+(?:\.\d+)*)(?:\.[A-Za-z]\w*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`series`: 3.1. `package`: Debian's full version. `version`: Ruby's own, 3.1.2. `why`: for the log."""

    series: str
    package: str
    version: str
    why: str


def choose(apt: Apt, asked: str, wanted: Mapping[str, str]) -> Choice:
    """The newest Ruby that `BP_MRI_VERSION` (`asked`) names, else that all of `wanted` accept, else any.

    Raises a `Problem` that lists what there is.
    """
    available = tuple(Choice(series=s, package=v, version=upstream(v), why="") for s, v in versions(apt))
    has = tuple(dict.fromkeys(choice.version for choice in available))
    if not available:
        raise errors.no_ruby()
    if asked:
        found = next((choice for choice in available if begins_with(choice.version, asked)), None)
        if found is None:
            raise errors.no_such_version(asked, "BP_MRI_VERSION", has)
        return _because(found, f'BP_MRI_VERSION asks "{asked}"')
    left = available
    for requirement, place in wanted.items():
        left = tuple(choice for choice in left if accepts("", {requirement: place})(choice.version))
        if not left:
            raise errors.no_such_version(requirement, place, has)
    requirement, place = next(iter(wanted.items()), ("", ""))
    why = f'{place} asks "{requirement}"' if place else "the newest; Gemfile or BP_MRI_VERSION pins another"
    return _because(left[0], why)


def accepts(asked: str, wanted: Mapping[str, str]) -> Callable[[str], bool]:
    """Whether a version is what `BP_MRI_VERSION` (`asked`), else all of `wanted`, ask for. Raises a `Problem`."""
    if asked:
        return lambda version: begins_with(version, asked)
    # .ruby-version names the patch that a developer had; Debian's has the same series with later fixes.
    tests = [
        series(".".join(requirement.split(".")[:2]))
        if place == ".ruby-version"
        else satisfies(requirement, place)
        for requirement, place in wanted.items()
    ]
    return lambda version: all(test(numbers(version)) for test in tests)


def locked(version: str) -> Choice:
    """The Ruby of the build before."""
    return Choice(series=".".join(version.split(".")[:2]), package="", version=version, why="locked")


def versions(apt: Apt) -> tuple[tuple[str, str], ...]:
    """Every (series, Debian version) that the package sources have, newest first."""
    known = {found[1] for name in apt.names("ruby") if (found := _SERIES.fullmatch(name))}
    newest = sorted(known, key=numbers, reverse=True)
    return tuple((name, version) for name in newest for version in apt.versions(f"ruby{name}"))


def upstream(version: str) -> str:
    """Ruby's own version: `3.1.7+really3.1.2-0+deb12u1` is 3.1.2, as Debian's policy has it."""
    real = re.search(r"\+really([\d.]+)", version)
    return real[1] if real else debian_upstream(version)


def satisfies(requirement: str, place: str) -> Test:
    """`>= 3.0, < 3.4` or `~> 3.1` as a test. Raises a `Problem` naming `place` when it cannot be read."""
    tests = []
    for part in requirement.split(","):
        found = _PART.fullmatch(part.strip())
        if not found:
            raise errors.bad_requirement(requirement, place)
        tests += _tests(found[1] or "=", found[2])
    return lambda version: all(test(version) for test in tests)


def _tests(operator: str, version: str) -> list[Test]:
    low = numbers(version)
    match operator:
        case "~>":
            return [at_least(low), below(after(version.rpartition(".")[0] or version))]
        case ">=":
            return [at_least(low)]
        case ">":
            return [lambda found: found > low]
        case "<=":
            return [lambda found: found <= low]
        case "<":
            return [below(low)]
        case "!=":
            return [lambda found: found != low]
        case _:
            return [series(version)]


def _because(choice: Choice, why: str) -> Choice:
    return Choice(series=choice.series, package=choice.package, version=choice.version, why=why)
