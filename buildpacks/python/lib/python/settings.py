"""The variables a user may set for the build, checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from python import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

# Tools would take these from the build's environment and put things where the app does not find them.
FORBIDDEN = (
    "PIP_PREFIX",
    "PIP_PYTHON",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PYTHONINSPECT",
    "UV_MANAGED_PYTHON",
    "UV_NO_SYNC",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "UV_TARGET",
    "VIRTUAL_ENV",
)
SERVERS = ("gunicorn", "uvicorn", "none")
_NO = ("0", "false", "no", "off")
_REFERENCE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_][\w.]*(?:\(\))?")


def refuse_forbidden(environ: Mapping[str, str]) -> None:
    """Raise when a variable is set that would break the build."""
    for name in FORBIDDEN:
        if environ.get(name):
            raise errors.forbidden_variable(name)


def server(environ: Mapping[str, str]) -> str:
    """`BP_PYTHON_SERVER`: the server to start the app with, `none`, or empty to choose."""
    name = environ.get("BP_PYTHON_SERVER", "").strip().lower()
    if name and name not in SERVERS:
        raise errors.unknown_server(name, SERVERS)
    return name


def app_reference(environ: Mapping[str, str]) -> str:
    """`BP_PYTHON_APP`: where the app's callable is, as `module:name` or `module:factory()`; empty to look for it."""
    text = environ.get("BP_PYTHON_APP", "").strip()
    if text and not _REFERENCE.fullmatch(text):
        raise errors.bad_reference(text)
    return text


def requirement_files(environ: Mapping[str, str]) -> tuple[str, ...]:
    """`BP_PIP_REQUIREMENT`: requirements files, separated by blanks, relative to the app."""
    return tuple(environ.get("BP_PIP_REQUIREMENT", "").split())


def wants_static_files(environ: Mapping[str, str]) -> bool:
    """Whether Django's collectstatic is to run, as `BP_DJANGO_COLLECTSTATIC` says; yes when it is unset."""
    return environ.get("BP_DJANGO_COLLECTSTATIC", "").strip().lower() not in _NO
