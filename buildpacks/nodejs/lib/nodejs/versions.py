"""Which Node.js: the places that ask for a version, and the choice among those that the registry has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodejs import errors, ranges
from nodejs.manifest import FILES
from pybuild.libcnb.version import anything, numbers, series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from nodejs.manifest import Manifest
    from pybuild.libcnb.version import Test

# nvm's names for the series with long-term support.
CODENAMES = {
    "carbon": 8,
    "dubnium": 10,
    "erbium": 12,
    "fermium": 14,
    "gallium": 16,
    "hydrogen": 18,
    "iron": 20,
    "jod": 22,
    "krypton": 24,
}
_NEWEST = ("node", "latest", "current", "stable")

# An even series gets long-term support half a year after it began, which is its ninth minor release or a later one.
LTS_MINOR = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the app asks for. `newest`: also a series without long-term support."""

    text: str
    place: str
    accepts: Test
    newest: bool = False

    @property
    def why(self) -> str:
        """For the log."""
        return (
            f'{self.place} asks "{self.text}"'
            if self.text
            else "the newest with long-term support; engines.node pins another"
        )


def wanted(asked: str, app: Path, manifest: Manifest) -> Wanted:
    """`BP_NODE_VERSION` (`asked`), .node-version, .nvmrc, engines.node, in this order. Raises a `Problem`."""
    places = {
        "BP_NODE_VERSION": asked,
        ".node-version": FILES.first_line(app / ".node-version"),
        ".nvmrc": FILES.first_line(app / ".nvmrc"),
        "package.json (engines.node)": manifest.engines.get("node", ""),
    }
    for place, text in places.items():
        if text:
            return read(text, place)
    return Wanted(text="", place="", accepts=anything)


def read(text: str, place: str) -> Wanted:
    """One wish, with nvm's words `lts/*`, `lts/iron` and `node` besides npm's ranges. Raises a `Problem`."""
    word = text.strip().lower()
    if word in _NEWEST:
        return Wanted(text=text, place=place, accepts=anything, newest=True)
    if word in ("lts/*", "lts"):
        return Wanted(text=text, place=place, accepts=anything)
    if word.startswith("lts/"):
        name = word.removeprefix("lts/")
        if name not in CODENAMES:
            raise errors.bad_range(text, place)
        return Wanted(text=text, place=place, accepts=series(str(CODENAMES[name])))
    return Wanted(text=text, place=place, accepts=ranges.satisfies(word.removeprefix("node-"), place))


def choose(want: Wanted, available: Iterable[str]) -> str:
    """The newest that is wanted, one with long-term support before others. Raises a `Problem` that lists what there is."""
    ordered = ranges.newest_first(available)
    passing = [version for version in ordered if want.accepts(numbers(version))]
    if not passing:
        raise errors.no_such_version(want.text, want.place, _newest_of_each(ordered))
    supported = [version for version in passing if has_long_support(version)]
    return passing[0] if want.newest or not supported else supported[0]


def has_long_support(version: str) -> bool:
    """Whether it is of a series with long-term support, by the rule that Node.js keeps."""
    major, minor, _ = numbers(version)
    return major % 2 == 0 and (minor >= LTS_MINOR or major <= max(CODENAMES.values()))


def newest_for(
    versions: Mapping[str, Mapping[str, object]],
    accepts: Test,
    node: str,
    usable: Callable[[Mapping[str, object]], bool],
) -> str:
    """The newest version of a tool that is accepted and says that it runs on this Node.js; empty when none does."""
    for version in ranges.newest_first(versions):
        entry = versions[version]
        engines = entry.get("engines")
        needs = str(engines.get("node", "")) if isinstance(engines, dict) else ""
        if accepts(numbers(version)) and usable(entry) and ranges.satisfies(needs, "engines")(numbers(node)):
            return version
    return ""


def _newest_of_each(ordered: list[str]) -> tuple[str, ...]:
    newest: dict[int, str] = {}
    for version in ordered:
        newest.setdefault(numbers(version)[0], version)
    return tuple(newest.values())
