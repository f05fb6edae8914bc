"""Service bindings: folders of small files that tell where a database is and how to log in.

servicebinding.io, "Workload Projection": `$SERVICE_BINDING_ROOT/<name>/{type,provider,…}`, one file per key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MAX_FILE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One bound service. `values`: the text of each file by its name, a final newline removed."""

    name: str
    type: str
    provider: str
    values: Mapping[str, str]


def read_bindings(root: Path) -> tuple[Binding, ...]:
    """The bindings below `root`, by name; none when there is no such folder. A folder without `type` is none."""
    if not root.is_dir():
        return ()
    found = []
    for folder in sorted(root.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        values = {file.name: _text(file) for file in sorted(folder.iterdir()) if _is_key(file)}
        if kind := values.get("type", "").strip():
            found.append(
                Binding(
                    name=folder.name, type=kind, provider=values.get("provider", "").strip(), values=values
                )
            )
    return tuple(found)


def of_type(bindings: Iterable[Binding], *types: str) -> tuple[Binding, ...]:
    """The bindings of one of these types, whatever the case."""
    wanted = {kind.casefold() for kind in types}
    return tuple(binding for binding in bindings if binding.type.casefold() in wanted)


def _is_key(file: Path) -> bool:
    # Kubernetes projects secrets through `..data` links beside the files.
    return not file.name.startswith("..") and file.is_file() and file.stat().st_size <= MAX_FILE


def _text(file: Path) -> str:
    return file.read_bytes().decode(errors="surrogateescape").removesuffix("\n")
