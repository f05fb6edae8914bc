"""Which packages the app asks for, and where: Aptfile, project.toml, a variable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aptfile import errors
from pybuild.spec import toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pybuild.spec.toml import Table

APTFILE = "Aptfile"
PROJECT = "project.toml"
VARIABLE = "BP_APT_PACKAGES"
MOST_BYTES = 1 << 20

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9]+)?(?:=[A-Za-z0-9.+~:-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Packages by name, some as `name=version`. `launch`: for app and build; `build`: for the build alone."""

    launch: tuple[str, ...]
    build: tuple[str, ...]


def read(app: Path, variable: str) -> Wanted:
    """All that is asked for, each once, in order. Raises a `Problem`, or `InvalidFile` for project.toml."""
    launch, build = list(_aptfile(app / APTFILE)), list[str]()
    for place, table in project_tables(app):
        launch += _names(table, "install", place)
        build += _names(table, "build", place)
    launch += [checked(word, VARIABLE) for word in re.split(r"[,\s]+", variable) if word]
    both = dict.fromkeys(launch)
    return Wanted(launch=tuple(both), build=tuple(name for name in dict.fromkeys(build) if name not in both))


def project_tables(app: Path) -> list[tuple[str, Table]]:
    """`[com.pybuild.apt]` of project.toml, and Heroku's table for the same. Raises `InvalidFile`."""
    file = app / PROJECT
    if not file.is_file():
        return []
    com = toml.load(file.read_bytes(), file=PROJECT).table("com")
    found = [
        ("com.pybuild.apt", com.table("pybuild").optional_table("apt")),
        (
            "com.heroku.buildpacks.debian-packages",
            com.table("heroku").table("buildpacks").optional_table("debian-packages"),
        ),
    ]
    return [(f"{PROJECT}: [{name}]", table) for name, table in found if table is not None]


def checked(word: str, place: str) -> str:
    """A package's name, perhaps with architecture and version. Raises a `Problem` that says what is wrong with it."""
    if not _PACKAGE.fullmatch(word):
        raise errors.no_package(word, place)
    return word


def _names(table: Table, key: str, place: str) -> Iterator[str]:
    value = table.value(key)
    for item in value if isinstance(value, list) else table.texts(key):
        # Heroku's long form: { name = "…", skip_dependencies = true }; apt takes no package without what it needs.
        name = item.get("name") if isinstance(item, dict) else item
        yield checked(str(name), f"{place} {key}")


def _aptfile(file: Path) -> Iterator[str]:
    if not file.is_file():
        return
    with file.open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise errors.too_long(MOST_BYTES)
    for number, line in enumerate(data.decode(errors="replace").removeprefix("\ufeff").splitlines(), 1):
        for word in (
            line.partition("#")[0].split() if not line.strip().startswith(":repo:") else [line.strip()]
        ):
            yield checked(word, f"{APTFILE}:{number}")
