"""Names that become paths: ids, versions, layer names and process types, checked where they are read.

Specification: buildpack.md, "buildpack.toml" (ids), "launch.toml" (process types), "Phase #5" (layer names).
"""

from __future__ import annotations

import re

from pybuild.errors import InvalidFile

MAX_LENGTH = 200

# The underscore is beyond the specification, but published buildpacks use it and the Go lifecycle takes it.
_ID = re.compile(r"[A-Za-z0-9._/-]+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_PROCESS_TYPE = re.compile(r"[A-Za-z0-9._-]*")


def escape_id(module_id: str) -> str:
    """An id as the one folder name it has below layers and buildpacks directories."""
    return module_id.replace("/", "_")


def check_id(text: str, where: str) -> str:
    """`text`, if it is a buildpack's or extension's id; else `InvalidFile`."""
    if not _ID.fullmatch(text) or len(text) > MAX_LENGTH or escape_id(text) in {".", ".."}:
        raise InvalidFile(f"{where}: {_shown(text)} is no id; expected letters, digits and . / -")
    return text


def check_version(text: str, where: str) -> str:
    """`text`, if it can name the folder of a version; empty where an order leaves it out."""
    return _check_component(text, where, "version") if text else text


def check_layer_name(text: str, where: str) -> str:
    """`text`, if it can be a layer: one folder name, and not a file that means something else."""
    if text in {"build", "launch", "store"}:
        raise InvalidFile(f"{where}: no layer may be named {text}")
    return _check_component(text, where, "layer name")


def check_process_type(text: str, where: str) -> str:
    """`text`, if it is a process type. An empty one is let through: it can never be started by name."""
    if not _PROCESS_TYPE.fullmatch(text) or len(text) > MAX_LENGTH or text in {".", ".."}:
        raise InvalidFile(f"{where}: {_shown(text)} is no process type; expected letters, digits and . _ -")
    return text


def check_text(text: str, where: str) -> str:
    """`text`, if it is one line without control characters or parent folders; for what a label says."""
    if len(text) > MAX_LENGTH or _CONTROL.search(text) or ".." in text.split("/"):
        raise InvalidFile(f"{where}: {_shown(text)} cannot be used as a name")
    return text


def _check_component(text: str, where: str, what: str) -> str:
    if not text or text in {".", ".."} or "/" in text or not text.isprintable() or len(text) > MAX_LENGTH:
        raise InvalidFile(f"{where}: {_shown(text)} is no {what}; expected one folder name")
    return text


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 60 else text[:57] + "...")
