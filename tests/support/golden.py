"""The recordings of the Go lifecycle's behaviour, as pytest parameters: one per file, the file's name as its id."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(os.environ.get("PYBUILD_GOLDEN") or Path(__file__).parent.parent / "golden")


def cases(folder: str, *, only: Callable[[dict[str, Any]], bool] | None = None) -> list[Any]:
    """Every case of `GOLDEN/folder` for which `only(case)` holds, as `pytest.param(case, id=name)`."""
    found = []
    for path in sorted((GOLDEN / folder).glob("*.json")):
        case = json.loads(path.read_text("utf-8"))
        if only is None or only(case):
            found.append(pytest.param(case, id=path.stem))
    return found
