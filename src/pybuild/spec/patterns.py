"""Ignore patterns of strangers: what of them is refused, because to match it could take for ever.

A part with many stars, and a path part made for it, takes a matcher that tries every place for each star years.
Reliability: G3, G8.
"""

from __future__ import annotations

from pybuild.errors import InvalidFile

_LONGEST = 1024
_STARS = 3
_SPANS = 3


def check_pattern(text: str, where: str) -> None:
    """Raise `InvalidFile` for a pattern of more stars or characters than any real one has."""
    if len(text) > _LONGEST:
        raise InvalidFile(f"{where}: a pattern is longer than {_LONGEST} characters: {text[:80]!r}…")
    parts = text.split("/")
    if parts.count("**") > _SPANS or any(part.count("*") > _STARS for part in parts if part != "**"):
        raise InvalidFile(
            f"{where}: the pattern {text[:80]!r} has too many stars: at most {_SPANS} times ** and, between two"
            f" slashes, {_STARS} times * are matched",
            hint="write it as several patterns",
        )
