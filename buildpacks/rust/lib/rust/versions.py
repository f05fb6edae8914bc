"""Which Rust: what the app pins, or is the oldest that it compiles with, and the newest release that answers it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.libcnb.version import numbers
from rust import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pybuild.libcnb.version import Numbers
    from rust.manifest import Manifest

_CHANNEL = re.compile(r"(?P<version>stable|\d+\.\d+(?:\.\d+)?)(?:-[\w-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`begin`: numbers the version begins with, none for any. `least`: the oldest that will do. `why`: for the log."""

    begin: tuple[int, ...] = ()
    least: Numbers = (0, 0, 0)
    why: str

    def accepts(self, version: str) -> bool:
        """Whether a release satisfies the request."""
        found = numbers(version)
        return found[: len(self.begin)] == self.begin and found >= self.least

    def __str__(self) -> str:
        return ".".join(map(str, self.begin)) or f"{'.'.join(map(str, self.least))} or newer"


def wanted(setting: str, manifest: Manifest) -> Wanted:
    """The request of `BP_RUST_TOOLCHAIN` (`setting`), a toolchain file, else the manifest's. Raises a `Problem`."""
    for channel, place in ((setting, "BP_RUST_TOOLCHAIN"), (manifest.channel, manifest.pin)):
        if channel:
            found = _CHANNEL.fullmatch(channel)
            if not found:
                raise errors.bad_channel(channel, place)
            begin = () if found["version"] == "stable" else tuple(map(int, found["version"].split(".")))
            return Wanted(begin=begin, least=numbers(manifest.oldest), why=f"{place} says {channel}")
    if manifest.oldest:
        why = f"the newest; Cargo.toml says rust-version {manifest.oldest}"
        return Wanted(least=numbers(manifest.oldest), why=why)
    return Wanted(why="the newest; rust-toolchain.toml or BP_RUST_TOOLCHAIN pins another")


def choose(request: Wanted, available: Iterable[str]) -> str:
    """The newest release that is asked for. Raises a `Problem` that lists what there is."""
    known = sorted(set(available), key=numbers, reverse=True)
    found = next((version for version in known if request.accepts(version)), "")
    if not found:
        raise errors.no_such_version(str(request), request.why, known)
    return found
