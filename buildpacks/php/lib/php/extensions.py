"""Which Debian packages bring the extensions that an app asks for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from php import errors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# In the interpreter itself or in phpX.Y-common, which is always there.
BUILTIN = frozenset(
    [
        "calendar",
        "core",
        "ctype",
        "date",
        "exif",
        "ffi",
        "fileinfo",
        "filter",
        "ftp",
        "gettext",
        "hash",
        "iconv",
        "json",
        "libxml",
        "lexbor",
        "openssl",
        "pcntl",
        "pcre",
        "pdo",
        "phar",
        "posix",
        "random",
        "reflection",
        "session",
        "shmop",
        "sockets",
        "sodium",
        "spl",
        "standard",
        "sysvmsg",
        "sysvsem",
        "sysvshm",
        "tokenizer",
        "uri",
        "zlib",
        "readline",
    ]
)

# Extensions whose package has another name.
_PACKAGES = {
    "zend-opcache": "opcache",
    "zend opcache": "opcache",
    **dict.fromkeys(("mysqli", "mysqlnd", "pdo_mysql"), "mysql"),
    **dict.fromkeys(("dom", "simplexml", "xmlreader", "xmlwriter", "xsl"), "xml"),
    "pdo_pgsql": "pgsql",
    "pdo_sqlite": "sqlite3",
    "pdo_odbc": "odbc",
    **dict.fromkeys(("pdo_dblib", "mssql"), "sybase"),
    "pdo_firebird": "interbase",
}

BASE = ("opcache", "mysql", "mbstring", "xml", "curl", "zip", "intl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`packages`: sorted names. `added`: extension → who asked, of those beyond the base set. `substituted`: left out."""

    packages: tuple[str, ...]
    added: Mapping[str, str]
    substituted: tuple[str, ...]


def select(
    series: str, asked: Mapping[str, str], provided: Collection[str], known: Collection[str]
) -> Selection:
    """The packages for PHP `series`. `asked`: extension → who asks; `known`: the packages that exist.

    An extension without package is left out when a Composer package provides it, else a `Problem` is raised.
    """
    prefix = f"php{series}-"
    # From some version on, OPcache is part of PHP and has no package.
    packages = {
        f"{prefix}fpm",
        f"{prefix}cli",
        *(f"{prefix}{name}" for name in BASE if f"{prefix}{name}" in known),
    }
    added: dict[str, str] = {}
    substituted = []
    for name, place in asked.items():
        suffix = _PACKAGES.get(name, name)
        if name in BUILTIN or suffix in BASE:
            continue
        if f"{prefix}{suffix}" in known:
            packages.add(f"{prefix}{suffix}")
            added[name] = place
        elif name in provided:
            substituted.append(name)
        else:
            raise errors.unknown_extension(name, place, series, _similar(name, prefix, known))
    return Selection(packages=tuple(sorted(packages)), added=added, substituted=tuple(substituted))


def _similar(name: str, prefix: str, known: Collection[str]) -> tuple[str, ...]:
    names = (
        {package.removeprefix(prefix) for package in known if package.startswith(prefix)}
        | BUILTIN
        | {*_PACKAGES}
    )
    return tuple(difflib.get_close_matches(name, sorted(names - {"fpm", "cli", "cgi", "common", "dev"}), n=3))
