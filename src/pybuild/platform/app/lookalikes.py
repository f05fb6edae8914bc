"""Folders below the given one that look like an app: what somebody may have meant who built the folder above."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MARKERS = (
    "composer.json",
    "index.php",
    "package.json",
    "requirements.txt",
    "pyproject.toml",
    "go.mod",
    "Gemfile",
    "pom.xml",
    "build.gradle",
    "Cargo.toml",
    "Procfile",
    "project.toml",
)
"""Files by which people and buildpacks know an app."""

_FOLDERS_MOST = 200
_NOT_APPS = {"node_modules", "vendor", "venv", "__pycache__"}


def apps_below(folder: Path) -> tuple[tuple[str, str], ...]:
    """Each folder right below that has one of `MARKERS`, with the first such file; by name, hidden ones left out."""
    try:
        with os.scandir(folder) as found:
            names = sorted(
                entry.name
                for entry in found
                if not entry.name.startswith(".") and entry.name not in _NOT_APPS and entry.is_dir()
            )
    except OSError:
        return ()
    marked = []
    for name in names[:_FOLDERS_MOST]:
        marker = next((marker for marker in MARKERS if (folder / name / marker).is_file()), "")
        if marker:
            marked.append((name, marker))
    return tuple(marked)
