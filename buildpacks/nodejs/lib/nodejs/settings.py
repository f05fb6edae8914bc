"""The variables a user may set for the build, checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nodejs import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

# npm and Node.js would take these from the build's environment and put things where the app does not find them.
FORBIDDEN = (
    "NPM_CONFIG_PREFIX",
    "npm_config_prefix",
    "NPM_CONFIG_GLOBAL",
    "npm_config_global",
    "NODE_PATH",
    "YARN_RC_FILENAME",
)
_NO = ("0", "false", "no", "off")


def refuse_forbidden(environ: Mapping[str, str]) -> None:
    """Raise when a variable is set that would break the build."""
    for name in FORBIDDEN:
        if environ.get(name):
            raise errors.forbidden_variable(name)


def run_scripts(environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """`BP_NODE_RUN_SCRIPTS`: the scripts to build with, separated by commas or blanks; None when it is unset."""
    text = environ.get("BP_NODE_RUN_SCRIPTS")
    return None if text is None else tuple(re.findall(r"[^,\s]+", text))


def wants_front_end(environ: Mapping[str, str]) -> bool:
    """Whether a front end may be served as files, as `BP_NODE_FRONT_END` says; yes when it is unset."""
    return environ.get("BP_NODE_FRONT_END", "").strip().lower() not in _NO


def wants_pruning(environ: Mapping[str, str]) -> bool:
    """Whether packages for developers are removed, as `BP_NODE_PRUNE` says; yes when it is unset."""
    return environ.get("BP_NODE_PRUNE", "").strip().lower() not in _NO
