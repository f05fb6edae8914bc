"""Which PHP: Composer's version constraints, and the choice among what the package sources have.

The constraint language is Composer's: `>=8.1 <8.4`, `^8.2`, `~8.1.3`, `8.2.*`, `8.1 - 8.3`, `^7.4 || ^8.0`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from php import errors
from pybuild.libcnb.dpkg import upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pybuild.libcnb.apt import Apt

Numbers = tuple[int, int, int]

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
    wanted, place = (asked, "BP_PHP_VERSION") if asked else next(iter(constraints.items()), ("", ""))
    accepts = _exactly(asked) if asked else satisfies(wanted, place) if wanted else _anything
    for series, version in available:
        if accepts(numbers(upstream(version))):
            why = (
                f'{place} asks "{wanted}"'
                if wanted
                else "the newest; BP_PHP_VERSION or composer.json pins another"
            )
            first = next(text for name, text in available if name == series)
            return Choice(series=series, version=version, newest=version == first, why=why)
    has = tuple(dict.fromkeys(upstream(version) for _, version in available))
    raise errors.no_such_version(wanted, place, has)


def versions(apt: Apt) -> tuple[tuple[str, str], ...]:
    """Every (series, version) the package sources have, newest first."""
    series = [match.group(1) for name in apt.names("php") if (match := _SERIES.fullmatch(name))]
    series.sort(key=numbers, reverse=True)
    return tuple((name, version) for name in series for version in apt.versions(f"php{name}-fpm"))


def numbers(version: str) -> Numbers:
    """Major, minor and patch; what is missing is 0."""
    found = [int(part) for part in re.findall(r"\d+", version)[:3]]
    major, minor, patch = (*found, 0, 0, 0)[:3]
    return major, minor, patch


def satisfies(constraint: str, place: str) -> Callable[[Numbers], bool]:
    """The constraint as a test. Raises a `Problem` naming `place` when it cannot be read."""
    alternatives = [_conjunction(part.strip(), constraint, place) for part in re.split(r"\|\|?", constraint)]
    return lambda version: any(all(test(version) for test in tests) for tests in alternatives)


def _conjunction(text: str, whole: str, place: str) -> list[Callable[[Numbers], bool]]:
    if text in ("", "*"):
        return [_anything]
    if span := _HYPHEN.fullmatch(text):
        return [_at_least(numbers(span[1])), _below(_after(span[2]))]
    tests: list[Callable[[Numbers], bool]] = []
    position = 0
    for part in _PART.finditer(text):
        if text[position : part.start()].strip(" ,"):
            raise errors.bad_constraint(whole, place)
        position = part.end()
        tests += _tests(part["op"] or "", part["version"], bool(part["wild"]))
    if not tests or text[position:].strip(" ,"):
        raise errors.bad_constraint(whole, place)
    return tests


def _tests(operator: str, version: str, wild: bool) -> Iterable[Callable[[Numbers], bool]]:
    low = numbers(version)
    if wild and operator in ("", "=", "=="):
        return [_at_least(low), _below(_after(version))]
    match operator:
        case "^":
            return [_at_least(low), _below((low[0] + 1, 0, 0) if low[0] else (0, low[1] + 1, 0))]
        case "~":
            return [_at_least(low), _below(_after(version.rsplit(".", 1)[0]))]
        case ">=":
            return [_at_least(low)]
        case ">":
            return [lambda found: found > low]
        case "<":
            return [_below(low)]
        case "<=":
            return [lambda found: found <= low]
        case "!=" | "<>":
            return [lambda found: found != low]
        case _:
            # Composer takes 8.2 for exactly 8.2.0, which nobody means: platform.php "8.2" is read as the series.
            return [_at_least(low), _below(_after(version))]


def _exactly(asked: str) -> Callable[[Numbers], bool]:
    return satisfies(asked, "BP_PHP_VERSION")


def _after(version: str) -> Numbers:
    """The first version that does not begin with this one: 8.2 → 8.3.0, 8 → 9.0.0, 8.2.1 → 8.2.2."""
    major, minor, patch = numbers(version)
    match version.count("."):
        case 0:
            return major + 1, 0, 0
        case 1:
            return major, minor + 1, 0
        case _:
            return major, minor, patch + 1


def _at_least(low: Numbers) -> Callable[[Numbers], bool]:
    return lambda found: found >= low


def _below(high: Numbers) -> Callable[[Numbers], bool]:
    return lambda found: found < high


def _anything(_: Numbers) -> bool:
    return True
