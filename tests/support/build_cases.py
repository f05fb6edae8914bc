"""What a replayed build left behind, in the shape of the recordings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from support import phase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def seen(case: Mapping[str, Any], root: Path) -> list[dict[str, Any]]:
    """What the buildpacks say that they saw; those that never started are left out."""
    found = []
    for buildpack in case["buildpacks"]:
        base = root / "out" / buildpack["id"].replace("/", "_")
        if not base.with_name(f"{base.name}.argv").exists():
            continue
        dumps = {
            name: _emptied(base.with_name(f"{base.name}.{name}").read_bytes(), root)
            for name in ("env", "argv", "cwd", "plan")
        }
        item: dict[str, Any] = {"id": buildpack["id"], "version": buildpack["version"]}
        if case["expect"]["seen"] and "env" in case["expect"]["seen"][0]:
            pairs = dumps["env"].split("\0")[:-1]
            item["env"] = dict(pair.split("=", 1) for pair in pairs)
        # The first two are the interpreter and the program itself.
        item["args"] = dumps["argv"].split("\0")[2:-1]
        item["cwd"] = dumps["cwd"].rstrip("\n")
        item["plan_toml"] = dumps["plan"]
        found.append(item)
    return found


def layers_after(case: Mapping[str, Any], root: Path) -> list[dict[str, str]]:
    """Everything below the layers directory but the case's own files there and the lifecycle's config."""
    given = {item["path"] for item in case["tree"] if item["type"] != "dir"}
    found = [
        item
        for item in phase.files_below(root / "layers", root)
        if item["path"].partition("/")[0] != "config" and not _is_input(item["path"], given)
    ]
    return sorted(found, key=lambda item: item["path"])


def _is_input(path: str, given: set[str]) -> bool:
    return "/" not in path and f"layers/{path}" in given


def _emptied(dump: bytes, root: Path) -> str:
    text = phase.emptied(dump.decode(errors="surrogateescape"), root)
    return re.sub(r"(@ROOT@/tmp/[^/]*-)[0-9]+", r"\1@RAND@", text)
