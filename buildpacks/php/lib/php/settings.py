"""The variables a user may set for the build, checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from php import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

# Composer and PHP would take these from the build's environment and put things where nobody finds them.
FORBIDDEN = ("COMPOSER_VENDOR_DIR", "COMPOSER_BIN_DIR", "PHPRC", "PHP_INI_SCAN_DIR")
SERVERS = ("nginx", "none")


def wants_nginx(environ: Mapping[str, str]) -> bool:
    """Whether the app is to be served by nginx, as `BP_PHP_SERVER` says; yes when it is unset."""
    server = environ.get("BP_PHP_SERVER", "").strip().lower() or "nginx"
    if server not in SERVERS:
        raise errors.unknown_server(server, SERVERS)
    return server == "nginx"


def extension_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The extensions in `BP_PHP_EXTENSIONS`, separated by commas or blanks; `ext-` in front is allowed."""
    words = re.split(r"[,\s]+", environ.get("BP_PHP_EXTENSIONS", "").strip())
    return tuple(word.lower().removeprefix("ext-") for word in words if word)


def refuse_forbidden(environ: Mapping[str, str]) -> None:
    """Raise when a variable is set that would break the build."""
    for name in FORBIDDEN:
        if environ.get(name):
            raise errors.forbidden_variable(name)
