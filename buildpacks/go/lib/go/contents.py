"""What is in a Go binary, by its own account: the modules it was linked from, for the bill of materials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb import command, purl
from pybuild.libcnb.sbom import Component

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def components(go: Path, binaries: Iterable[Path], environ: Mapping[str, str]) -> tuple[Component, ...]:
    """The modules in these binaries, and Go's standard library. Raises `ToolFailed`."""
    return read(command.read([go, "version", "-m", *binaries], environ=environ))


def read(text: str) -> tuple[Component, ...]:
    """The components that `go version -m` tells. A module replaced by another counts as that one."""
    found: dict[str, Component] = {}
    last = ""
    for line in text.splitlines():
        if not line.startswith("\t"):
            _, _, version = line.rpartition(": go")
            last = ""
            if version:
                _add(found, "stdlib", version.split(" ")[0])
            continue
        kind, *words = line.strip().split("\t")
        if kind == "dep" and len(words) > 1:
            last = _add(found, words[0], words[1])
        elif kind == "=>" and len(words) > 1 and not words[0].startswith((".", "/")):
            found.pop(last, None)
            last = _add(found, words[0], words[1])
    return tuple(found[name] for name in sorted(found))


def _add(found: dict[str, Component], path: str, version: str) -> str:
    name = purl.golang(path, version)
    found[name] = Component(name=path, version=version, purl=name)
    return name
