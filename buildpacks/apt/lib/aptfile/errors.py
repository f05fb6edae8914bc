"""All that this buildpack tells a user whose packages it cannot install."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pybuild.libcnb.problem import Paste, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable


def no_package(word: str, place: str) -> Problem:
    """Something that is no package's name; what other buildpacks take there has an answer of its own."""
    heading = "A package cannot be asked for in this way"
    if word.startswith(":repo:"):
        return Problem(
            heading,
            f"{place}: {word!r} adds a package source, and nothing says by which key it is signed.",
            steps=("Put the source into the builder's /etc/apt/sources.list.d, with Signed-By and its key.",),
        )
    if "://" in word or word.endswith(".deb"):
        return Problem(
            heading,
            f"{place}: {word!r} is a file, whose content nobody has signed.",
            steps=(
                "Name a package of the distribution instead.",
                "Or put the package into a source that is signed, and that source into the builder's /etc/apt.",
            ),
        )
    return Problem(
        heading,
        f"{place}: {word!r} is no name of a package; a name has small letters, digits, +, - and dots.",
        steps=("Name every package in full: patterns such as mysql-* are not expanded.",),
        paste=Paste(
            file="Aptfile",
            text="# One package a line\nimagemagick\nlibpq5",
            action="For example, write this to",
        ),
    )


def too_long(most: int) -> Problem:
    """An Aptfile that is no list of packages."""
    return Problem("The Aptfile cannot be read", f"It is larger than {most} bytes.")


def unknown(name: str, known: Iterable[str], distribution: str) -> Problem:
    """A package that no source has. `known`: names that begin alike."""
    close = difflib.get_close_matches(name, [*known], n=5, cutoff=0.6)
    like = f" Names like it: {', '.join(close)}." if close else ""
    return Problem(
        "There is no such package",
        f"No package source of this builder ({distribution}) has {name}.{like}",
        steps=(
            "Check the name: https://packages.debian.org searches all releases.",
            "If it is in a source of your own, that source belongs into the builder's /etc/apt.",
        ),
    )


def empty(place: str) -> Problem:
    """An Aptfile without packages."""
    return Problem(
        "No packages are asked for",
        f"{place} has no package's name in it.",
        steps=("Name a package, or delete the file.",),
    )
