"""Which licence texts are SPDX identifiers: the common ones, which nine packages of ten have.

The whole list has 700 and changes twice a year; a licence that is not among these is written as a name, which every
format allows. https://spdx.org/licenses/
"""

from __future__ import annotations

import re

_IDS = frozenset(
    re.findall(
        r"\S+",
        """0BSD AFL-2.1 AFL-3.0 AGPL-3.0-only AGPL-3.0-or-later Apache-1.1 Apache-2.0 Artistic-1.0 Artistic-1.0-Perl
    Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause BSD-2-Clause-Patent BSD-3-Clause BSD-3-Clause-Clear
    BSD-4-Clause BSL-1.0 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0 CC0-1.0 CDDL-1.0 CDDL-1.1 CPL-1.0 curl
    EPL-1.0 EPL-2.0 EUPL-1.2 FTL GFDL-1.3-only GFDL-1.3-or-later GPL-1.0-or-later GPL-2.0-only GPL-2.0-or-later
    GPL-3.0-only GPL-3.0-or-later HPND ICU IJG ISC LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1-only LGPL-2.1-or-later
    LGPL-3.0-only LGPL-3.0-or-later Libpng libtiff MirOS MIT MIT-0 MPL-1.1 MPL-2.0 MS-PL MulanPSL-2.0 NCSA OFL-1.1
    OpenSSL PHP-3.0 PHP-3.01 PostgreSQL PSF-2.0 Python-2.0 Python-2.0.1 Ruby SISSL Unicode-3.0 Unicode-DFS-2016
    Unlicense Vim W3C WTFPL X11 Zlib zlib-acknowledgement ZPL-2.1""",
    )
)
_EXCEPTIONS = frozenset(
    (
        "Classpath-exception-2.0",
        "GCC-exception-3.1",
        "LLVM-exception",
        "OpenSSL-exception",
        "Bison-exception-2.2",
    )
)


def is_id(text: str) -> bool:
    """Whether it is an identifier of the list above."""
    return text in _IDS


def is_expression(text: str) -> bool:
    """Whether it combines such identifiers with AND, OR, WITH and brackets, as in `MIT OR (Apache-2.0 AND ISC)`."""
    shaped = re.sub(r"\b(\S+) WITH (\S+)", _with, text.replace("(", " ( ").replace(")", " ) "))
    depth, wants_id = 0, True
    for word in shaped.split():
        match word, wants_id:
            case "(", True:
                depth += 1
            case ")", False if depth:
                depth -= 1
            case "AND" | "OR", False:
                wants_id = True
            case _, True if word in _IDS:
                wants_id = False
            case _:
                return False
    return not wants_id and depth == 0


def _with(found: re.Match[str]) -> str:
    return found[1] if found[2] in _EXCEPTIONS else "unknown"
