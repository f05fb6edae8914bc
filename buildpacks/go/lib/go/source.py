"""Takes the source out of the app's folder: the image has the binaries, and what they read at run time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def clear(app: Path, keep: Iterable[str]) -> tuple[str, ...]:
    """Delete all files but those that match a pattern of `keep`, or lie in a folder that does; return what stays."""
    kept = {path for pattern in keep for path in app.glob(pattern)}
    stays = []
    for folder, folders, files in os.walk(app, topdown=False):
        for name in (*files, *folders):
            path = Path(folder, name)
            if kept & {path, *path.parents}:
                stays.append(str(path.relative_to(app)))
            elif path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            else:
                path.unlink()
    return tuple(sorted(stays))
