"""Which Python: version specifiers, the places that state them, and the choice among what can be had.

The specifiers are PEP 440's (`>=3.10,<4`, `~=3.11`, `==3.11.*`) and Poetry's (`^3.11`, `~3.11`, `3.11 || 3.12`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.libcnb.version import MOST_DIGITS
from python import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pybuild.libcnb.apt import Apt

Numbers = tuple[int, int, int]

_SERIES = re.compile(r"python(3\.\d+)-minimal")
_PART = re.compile(
    r"(?P<op>~=|===?|!=|>=|<=|\^|~|>|<|=)?\s*v?(?P<version>\d+(?:\.\d+)*)(?P<wild>\.\*)?(?:\.?(?:dev|a|b|rc)\d+)?"
)
_PIN = re.compile(r"(?:c?python-?)?(3(?:\.\d+){0,2})(?:\.\*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the app asks for: a specifier, the place that states it, and whether it is a pin to one release."""

    text: str
    place: str

    @property
    def accepts(self) -> Callable[[Numbers], bool]:
        """The specifier as a test."""
        return satisfies(self.text, self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`series`: 3.11. `version`: 3.11.2. `why`: for the log. `managed`: not in the package sources, uv brings it."""

    series: str
    version: str
    why: str
    managed: bool = False


def wanted(asked: str, places: Mapping[str, str]) -> Wanted | None:
    """`BP_CPYTHON_VERSION` (`asked`), else the first of `places`, which are place → specifier; None for any version.

    A release such as 3.11.9 in a file stands for its series: the distribution backports fixes, and keeps the number.
    """
    if asked:
        return Wanted(text=_pinned(asked, "BP_CPYTHON_VERSION"), place="BP_CPYTHON_VERSION")
    for place, text in places.items():
        if place in PIN_FILES:
            pin = _pinned(text, place)
            return Wanted(text=".".join(pin.split(".")[:2]) if pin[:1].isdigit() else pin, place=place)
        return Wanted(text=text, place=place)
    return None


PIN_FILES = (".python-version", "runtime.txt")


def choose(
    want: Wanted | None, packaged: Mapping[str, str], managed: Callable[[], tuple[str, ...]]
) -> Choice:
    """The newest of the package sources' versions that is wanted, else the newest of those that uv could bring.

    `packaged`: series → version. `managed`: asked only where the package sources do not do.
    """
    accepts = want.accepts if want else _anything
    if want:
        why = f'{want.place} asks "{want.text}"'
    else:
        why = "the distribution's; .python-version or BP_CPYTHON_VERSION pins another"
    for series, version in sorted(packaged.items(), key=lambda item: numbers(item[0]), reverse=True):
        if accepts(numbers(version)):
            return Choice(series=series, version=version, why=why)
    others = managed()
    for version in sorted(others, key=numbers, reverse=True):
        if accepts(numbers(version)):
            return Choice(series=".".join(version.split(".")[:2]), version=version, why=why, managed=True)
    if want is None:
        raise errors.no_python()
    raise errors.no_such_version(want.text, want.place, tuple(packaged.values()), others)


def packaged(apt: Apt) -> dict[str, str]:
    """Series → version of what the package sources have."""
    from pybuild.libcnb.dpkg import upstream

    series = [match.group(1) for name in apt.names("python3.") if (match := _SERIES.fullmatch(name))]
    found = {name: apt.versions(f"python{name}-minimal") for name in series}
    return {name: upstream(versions[0]) for name, versions in found.items() if versions}


def numbers(version: str) -> Numbers:
    """Major, minor and patch; what is missing is 0."""
    found = [int(part[:MOST_DIGITS]) for part in re.findall(r"\d+", version)[:3]]
    major, minor, patch = (*found, 0, 0, 0)[:3]
    return major, minor, patch


def satisfies(specifier: str, place: str) -> Callable[[Numbers], bool]:
    """The specifier as a test. Raises a `Problem` naming `place` when it cannot be read."""
    alternatives = [_conjunction(part.strip(), specifier, place) for part in re.split(r"\|\|?", specifier)]
    return lambda version: any(all(test(version) for test in tests) for tests in alternatives)


def _pinned(text: str, place: str) -> str:
    pin = _PIN.fullmatch(text.strip())
    if pin:
        return pin[1]
    satisfies(text, place)
    return text


def _conjunction(text: str, whole: str, place: str) -> list[Callable[[Numbers], bool]]:
    if text in ("", "*"):
        return [_anything]
    tests: list[Callable[[Numbers], bool]] = []
    position = 0
    for part in _PART.finditer(text):
        if text[position : part.start()].strip(" ,"):
            raise errors.bad_specifier(whole, place)
        position = part.end()
        if part["op"] == "~=" and "." not in part["version"]:
            raise errors.bad_specifier(whole, place)
        tests += _tests(part["op"] or "", part["version"], bool(part["wild"]))
    if not tests or text[position:].strip(" ,"):
        raise errors.bad_specifier(whole, place)
    return tests


def _tests(operator: str, version: str, wild: bool) -> Iterable[Callable[[Numbers], bool]]:
    low, count = numbers(version), version.count(".") + 1
    match operator:
        case ">=":
            return [lambda found: found >= low]
        case ">":
            return [lambda found: found > low]
        case "<":
            return [_below(low)]
        case "<=":
            return [lambda found: found <= low]
        case "!=":
            return [lambda found: not _begins(found, version)] if wild else [lambda found: found != low]
        case "^":
            return [lambda found: found >= low, _below((low[0] + 1, 0, 0))]
        case "~=":
            return [lambda found: found >= low, lambda found: _begins(found, version.rpartition(".")[0])]
        case "~":
            short = ".".join(version.split(".")[: max(count - 1, 1) if count > 2 else count])
            return [lambda found: found >= low, lambda found: _begins(found, short)]
        case _:
            return [lambda found: _begins(found, version)]


def _begins(found: Numbers, version: str) -> bool:
    parts = tuple(int(part[:MOST_DIGITS]) for part in version.split("."))
    return found[: len(parts)] == parts[:3]


def _below(limit: Numbers) -> Callable[[Numbers], bool]:
    return lambda found: found < limit


def _anything(_: Numbers) -> bool:
    return True
