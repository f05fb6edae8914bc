"""Versions as npm's packages ask for them: `^20.1`, `>=18 <21`, `20.x`, `18 || 20`, `18 - 20`.

The language is node-semver's: https://github.com/npm/node-semver#ranges
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nodejs import errors
from pybuild.libcnb.version import after, anything, at_least, below, compatible, numbers, series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pybuild.libcnb.version import Numbers, Test

_ANY = r"(?:[xX*](?:\.[xX*]){0,2})"
_PART = re.compile(
    rf"(?P<op>\^|~>?|>=|<=|>|<|=)?\s*v?(?:(?P<version>\d+(?:\.\d+){{0,2}})(?P<wild>(?:\.[xX*])*)|{_ANY})(?:[-+][\w.+-]+)?(?=\s|,|$)"
)
_HYPHEN = re.compile(r"v?(\d+(?:\.\d+){0,2})\s+-\s+v?(\d+(?:\.\d+){0,2})")


def satisfies(text: str, place: str) -> Test:
    """The range as a test. Raises a `Problem` naming `place` when it cannot be read."""
    alternatives = [_conjunction(part.strip(), text, place) for part in text.split("||")]
    return lambda version: any(all(test(version) for test in tests) for tests in alternatives)


def _conjunction(text: str, whole: str, place: str) -> list[Test]:
    if text in ("", "*", "latest"):
        return [anything]
    if span := _HYPHEN.fullmatch(text):
        return [at_least(numbers(span[1])), below(after(span[2]))]
    tests: list[Test] = []
    position = 0
    for part in _PART.finditer(text):
        if text[position : part.start()].strip(" ,"):
            raise errors.bad_range(whole, place)
        position = part.end()
        tests += _tests(part["op"] or "", part["version"]) if part["version"] else [anything]
    if not tests or text[position:].strip(" ,"):
        raise errors.bad_range(whole, place)
    return tests


def _tests(operator: str, version: str) -> Iterable[Test]:
    low = numbers(version)
    match operator:
        case "^":
            return [compatible(version)]
        case "~" | "~>":
            return [at_least(low), series(".".join(version.split(".")[:2]))]
        case ">=":
            return [at_least(low)]
        case ">":
            return [at_least(after(version))]
        case "<":
            return [below(low)]
        case "<=":
            return [below(after(version))]
        case _:
            return [series(version)]


def newest_first(versions: Iterable[str]) -> list[str]:
    """The releases among them, pre-releases left out."""
    plain = [version for version in versions if re.fullmatch(r"\d+\.\d+\.\d+", version)]
    return sorted(plain, key=_key, reverse=True)


def _key(version: str) -> Numbers:
    return numbers(version)
