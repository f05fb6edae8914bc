"""A path as somebody typed it: `~` stands for a home, and it may be one that no file system has."""

from __future__ import annotations

import os
from pathlib import Path

from pybuild.errors import InvalidInput


def typed_path(text: str, where: str) -> Path:
    """The path, a home in front made plain. `InvalidInput` where it can be none; `where`: the word that it is part of."""
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as exc:
        why = (exc.strerror if isinstance(exc, OSError) else str(exc)) or "it cannot be looked at"
        raise InvalidInput(
            f"{where}: {os.fspath(text)[:200]!r} is no path here: {why}",
            hint="write the whole path, from / on",
        ) from exc
    return path
