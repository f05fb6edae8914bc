"""Makes Cargo see which files of the app changed since the build whose results it keeps.

Cargo goes by the files' dates. Those of a build's source say nothing: every build has its own copy. So what is the same as
last time gets a date before all results, and what is not gets a date after them.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORD = "pybuild-source.json"
LONG_AGO = 1.0


def mark(app: Path, results: Path) -> Mapping[str, str]:
    """Date the app's files by what `results`, Cargo's folder of results, was made from; return what `remember` takes."""
    before = _read(results / RECORD)
    now = time.time()
    found = {}
    for folder, _, files in os.walk(app):
        for name in files:
            path = Path(folder, name)
            key = str(path.relative_to(app))
            if path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as stream:
                found[key] = hashlib.file_digest(stream, "sha256").hexdigest()
            date = LONG_AGO if before.get(key) == found[key] else now
            os.utime(path, (date, date))
    # A build script may watch a whole folder: one that lost or gained a file has changed.
    same = found.keys() == before.keys()
    for folder, _, _ in os.walk(app):
        date = LONG_AGO if same else now
        os.utime(folder, (date, date))
    return found


def remember(results: Path, found: Mapping[str, str]) -> None:
    """Write down what the results were made from, once they are there."""
    (results / RECORD).write_text(json.dumps(found, sort_keys=True))


def _read(file: Path) -> dict[str, str]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
