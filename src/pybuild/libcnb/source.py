"""Takes the source out of the app's folder, for languages that compile: the image has what was built from it.

`BP_KEEP_FILES` names what stays: patterns relative to the app, separated by colons.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pybuild.libcnb.context import BuildContext

SETTING = "BP_KEEP_FILES"


def kept_patterns(context: BuildContext, default: str = "") -> tuple[str, ...]:
    """What of the app stays in the image; the Procfile always does. Raises a `Problem`."""
    patterns = tuple(part for part in context.setting(SETTING, default).split(":") if part)
    for pattern in patterns:
        if pattern.startswith("/") or ".." in pattern.split("/"):
            raise Problem(
                "A pattern leads out of the app",
                f"{SETTING} has {pattern!r}; expected patterns relative to the root of the app.",
                steps=(f"Write for example {SETTING}=templates/*:static.",),
            )
    return ("Procfile", *patterns)


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
