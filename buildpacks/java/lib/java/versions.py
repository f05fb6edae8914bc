"""Which Java: what the app's files ask for, and the newest release of the package sources that answers it.

A build file states what the sources are compiled for, which any newer JDK does; the other places name one Java.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from java import errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext

MOST_BYTES = 1 << 20

# 17, 17.0.9, 1.8, 17.*, 17.0.9-tem, temurin-17.0.9, openjdk-17
_TEXT = re.compile(r"(?:[a-z][a-z_-]*-)?(?:1\.)?(?P<feature>\d{1,3})(?:[.+_*][\w.+*-]*|-\w+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`feature`: 17, or 0 for the newest. `or_newer`: a newer one will do. `why`: for the log."""

    feature: int = 0
    or_newer: bool = False
    why: str

    def accepts(self, feature: int) -> bool:
        """Whether a release satisfies the request."""
        return feature >= self.feature if self.or_newer else not self.feature or feature == self.feature


def wanted(context: BuildContext, compiled_for: tuple[str, str]) -> Wanted:
    """The request of `BP_JVM_VERSION`, `.java-version`, `.sdkmanrc`, `system.properties`, else of the build file.

    `compiled_for`: what the build file says and the place, empty texts if nothing. Raises a `Problem`.
    """
    for text, place in _stated(context):
        if text:
            return Wanted(feature=feature(text, place), why=f"{place} says {text}")
    text, place = compiled_for
    if text:
        return Wanted(feature=feature(text, place), or_newer=True, why=f"{place} says {text}")
    return Wanted(why="the newest; BP_JVM_VERSION or .java-version pins another")


def choose(request: Wanted, available: Iterable[int]) -> int:
    """The newest that is wanted, of those that are or, where the build file asks for less, the oldest that will do.

    Raises a `Problem` that lists what there is.
    """
    known = sorted(available)
    fitting = [number for number in known if request.accepts(number)]
    if not fitting:
        raise errors.no_such_version(request.feature, request.why, known)
    return fitting[0] if request.or_newer else fitting[-1]


def feature(text: str, place: str) -> int:
    """The feature release in a version: `17.0.9-tem` and `17` are 17, `1.8` is 8. Raises a `Problem`."""
    found = _TEXT.fullmatch(text.strip().lower())
    if not found:
        raise errors.bad_version(text, place)
    return int(found["feature"])


def _stated(context: BuildContext) -> tuple[tuple[str, str], ...]:
    app = context.app
    return (
        (context.setting("BP_JVM_VERSION"), "BP_JVM_VERSION"),
        (_line(app / ".java-version", r"^\s*([^\s#]+)"), ".java-version"),
        (_line(app / ".sdkmanrc", r"^\s*java\s*=\s*(\S+)"), ".sdkmanrc"),
        (_line(app / "system.properties", r"^\s*java\.runtime\.version\s*[=:]\s*(\S+)"), "system.properties"),
    )


def _line(file: Path, pattern: str) -> str:
    if not file.is_file() or file.stat().st_size > MOST_BYTES:
        return ""
    found = re.search(pattern, file.read_text(errors="replace"), re.MULTILINE)
    return found[1] if found else ""
