"""Gems that are compiled against a library: the packages it takes to compile them, and those to run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pybuild.libcnb.apt import Apt


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """`build`: packages with headers. `run`: patterns of the packages with the library, whose names change with releases."""

    build: tuple[str, ...] = ()
    run: tuple[str, ...] = ()


# libssl, zlib, libffi and libyaml need not be here: Ruby brings them, and the build image has their headers.
_PQ = Library(build=("libpq-dev",), run=("libpq5",))
_MARIADB = Library(build=("libmariadb-dev", "libmariadb-dev-compat"), run=("libmariadb3",))
_SQLITE = Library(build=("libsqlite3-dev",), run=("libsqlite3-0",))
_XML = Library(build=("libxml2-dev", "libxslt1-dev"), run=(r"libxml2(-\d+)?", r"libxslt1\.1"))

LIBRARIES = {
    "pg": _PQ,
    "mysql2": _MARIADB,
    "sqlite3": _SQLITE,
    "nokogiri": _XML,
    "rmagick": Library(build=("libmagickwand-dev",), run=(r"libmagickwand-[67]\.q16-\d+",)),
    "ruby-vips": Library(run=(r"libvips42(t64)?",)),
    "curb": Library(build=("libcurl4-openssl-dev",), run=(r"libcurl4(t64)?",)),
    "charlock_holmes": Library(build=("libicu-dev",), run=(r"libicu\d+",)),
    "rugged": Library(build=("cmake",)),
    "ruby-ldap": Library(build=("libldap-dev",), run=(r"libldap-2\.\d+.*|libldap2",)),
    "tiny_tds": Library(build=("freetds-dev",), run=("libsybdb5",)),
    "gpgme": Library(build=("libgpgme-dev",), run=(r"libgpgme11(t64)?",)),
}


def build_packages(gems: Iterable[str]) -> tuple[str, ...]:
    """What it takes to compile these gems, beside Ruby's own headers and what the build image has."""
    return tuple(sorted({package for gem in gems if gem in LIBRARIES for package in LIBRARIES[gem].build}))


def run_packages(gems: Iterable[str], apt: Apt) -> tuple[str, ...]:
    """What these gems need when the app runs, under the names that this release has."""
    patterns = sorted({pattern for gem in gems if gem in LIBRARIES for pattern in LIBRARIES[gem].run})
    return tuple(name for pattern in patterns if (name := _name(pattern, apt)))


def _name(pattern: str, apt: Apt) -> str:
    prefix = re.split(r"[\\\[(|.?*+]", pattern)[0]
    names = [name for name in apt.names(prefix) if re.fullmatch(pattern, name)]
    return names[-1] if names else ""
