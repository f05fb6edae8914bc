"""Licences of a Debian package: from its copyright file, as identifiers of SPDX where Debian's have one.

Specification: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/, "License short name".
"""

from __future__ import annotations

import re

MOST_BYTES = 1 << 20
MOST_LICENCES = 12

_FIELD = re.compile(r"^Licen[cs]e:[ \t]*(\S[^\n]*)$", re.MULTILINE | re.IGNORECASE)
_GNU = re.compile(r"((?:A|L)?GPL|GFDL)-?(\d)(?:\.(\d))?(\+|-or-later|-only)?", re.IGNORECASE)
_OTHERS = {
    "apache-2": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic-2.0": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "cc0-1.0": "CC0-1.0",
    "cc0": "CC0-1.0",
    "curl": "curl",
    "expat": "MIT",
    "ftl": "FTL",
    "isc": "ISC",
    "mit": "MIT",
    "mpl-1.1": "MPL-1.1",
    "mpl-2.0": "MPL-2.0",
    "openssl": "OpenSSL",
    "php-3.01": "PHP-3.01",
    "postgresql": "PostgreSQL",
    "python-2.0": "Python-2.0",
    "ruby": "Ruby",
    "unicode": "Unicode-DFS-2016",
    "zlib": "Zlib",
}


def licences(text: str) -> tuple[str, ...]:
    """The licences that a copyright file names, each once, in order; none for one that only people can read.

    An "or" or "and" of Debian's is kept in the name, so such a licence is no identifier.
    """
    if not re.match(r"\s*Format:", text):
        return ()
    names = (found[1].strip().rstrip(",") for found in _FIELD.finditer(text))
    return tuple(dict.fromkeys(map(_spdx, names)))[:MOST_LICENCES]


def _spdx(name: str) -> str:
    gnu = _GNU.fullmatch(name)
    if gnu:
        later = "or-later" if gnu[4] in ("+", "-or-later") else "only"
        return f"{gnu[1].upper()}-{gnu[2]}.{gnu[3] or 0}-{later}"
    return _OTHERS.get(name.lower(), name)
