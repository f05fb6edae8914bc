"""Which PHP: Composer's version constraints, and the choice among what the package sources have.

The constraint language is Composer's: `>=8.1 <8.4`, `^8.2`, `~8.1.3`, `8.2.*`, `8.1 - 8.3`, `^7.4 || ^8.0`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from php import errors
from pybuild.libcnb.dpkg import upstream
from pybuild.libcnb.version import after, anything, at_least, below, compatible, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.version import Test

_SERIES = re.compile(r"php(\d+\.\d+)-fpm")
_PART = re.compile(
    r"(?P<op>\^|~|>=|<=|!=|<>|==|>|<|=)?\s*v?(?P<version>\d+(?:\.\d+)*)(?P<wild>\.[*x])?(?:[-@+][\w.]+)?"
)
_HYPHEN = re.compile(r"v?(\d[\d.]*)\s+-\s+v?(\d[\d.]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`series`: 8.2. `version`: Debian's full one. `newest`: nothing newer was left out. `why`: for the log."""

    series: str
    version: str
    newest: bool
    why: str


def choose(apt: Apt, asked: str, constraints: Mapping[str, str]) -> Choice:
    """The newest PHP that satisfies `BP_PHP_VERSION` (`asked`), else the first of `constraints`, else any.

    Raises a `Problem` that lists what there is.
    """
    available = versions(apt)
    if not available:
        raise errors.no_php()
    accepted, wanted, place = accepts(asked, constraints)
    for series, version in available:
        if accepted(upstream(version)):
            why = (
                f'{place} asks "{wanted}"'
                if wanted
                else "the newest; BP_PHP_VERSION or composer.json pins another"
            )
            first = next(text for name, text in available if name == series)
            return Choice(series=series, version=version, newest=version == first, why=why)
    has = tuple(dict.fromkeys(upstream(version) for _, version in available))
    raise errors.no_such_version(wanted, place, has)


def accepts(asked: str, constraints: Mapping[str, str]) -> tuple[Callable[[str], bool], str, str]:
    """Whether a version such as 8.2.36 is what the user or the app asks for; that constraint, and where it stands."""
    wanted, place = (asked, "BP_PHP_VERSION") if asked else next(iter(constraints.items()), ("", ""))
    test = satisfies(wanted, place) if wanted else anything
    return lambda version: test(numbers(version)), wanted, place


def locked(version: str) -> Choice:
    """The PHP of the build before."""
    return Choice(series=".".join(version.split(".")[:2]), version=version, newest=True, why="locked")


def versions(apt: Apt) -> tuple[tuple[str, str], ...]:
    """Every (series, version) the package sources have, newest first."""
    series = [match.group(1) for name in apt.names("php") if (match := _SERIES.fullmatch(name))]
    series.sort(key=numbers, reverse=True)
    return tuple((name, version) for name in series for version in apt.versions(f"php{name}-fpm"))


def satisfies(constraint: str, place: str) -> Test:
    """The constraint as a test. Raises a `Problem` naming `place` when it cannot be read."""
    alternatives = [_conjunction(part.strip(), constraint, place) for part in re.split(r"\|\|?", constraint)]
    return lambda version: any(all(test(version) for test in tests) for tests in alternatives)


def _conjunction(text: str, whole: str, place: str) -> list[Test]:
    if text in ("", "*"):
        return [anything]
    if span := _HYPHEN.fullmatch(text):
        return [at_least(numbers(span[1])), below(after(span[2]))]
    tests: list[Test] = []
    position = 0
    for part in _PART.finditer(text):
        if text[position : part.start()].strip(" ,"):
            raise errors.bad_constraint(whole, place)
        position = part.end()
        tests += _tests(part["op"] or "", part["version"], bool(part["wild"]))
    if not tests or text[position:].strip(" ,"):
        raise errors.bad_constraint(whole, place)
    return tests


def _tests(operator: str, version: str, wild: bool) -> list[Test]:
    low = numbers(version)
    if wild and operator in ("", "=", "=="):
        return [at_least(low), below(after(version))]
    match operator:
        case "^":
            return [compatible(version)]
        case "~":
            return [at_least(low), below(after(version.rsplit(".", 1)[0]))]
        case ">=":
            return [at_least(low)]
        case ">":
            return [lambda found: found > low]
        case "<":
            return [below(low)]
        case "<=":
            return [lambda found: found <= low]
        case "!=" | "<>":
            return [lambda found: found != low]
        case _:
            # Composer takes 8.2 for exactly 8.2.0, which nobody means: platform.php "8.2" is read as the series.
            return [at_least(low), below(after(version))]
