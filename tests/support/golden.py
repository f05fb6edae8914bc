"""The recordings of the Go lifecycle's behaviour, as pytest parameters: one per file, the file's name as its id."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.spec import toml

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


def untagged(value: Any) -> Any:
    """`value` with its tagged scalars (`{"$float": "1e6"}`, `{"$datetime": …}`) turned into those of Python."""
    if isinstance(value, list):
        return [untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    tag, text = next(iter(value.items()), ("", None))
    if len(value) == 1 and tag == "$float":
        return float(text)
    if len(value) == 1 and tag in {"$datetime", "$local-datetime", "$local-date", "$local-time"}:
        return toml.load(f"it = {text}".encode(), file="golden").value("it")
    return {key: untagged(item) for key, item in value.items()}
