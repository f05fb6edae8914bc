"""When images were last pulled, for pull policies that ask a registry once in a while: one small file of this user's."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING

from pybuild.events import detail
from pybuild.platform.caches import state_folder
from pybuild.stores.state import read_state, write_state

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.oci.reference import Reference

_MOST = 500  # names that are remembered, the newest ones


def age(name: Reference) -> float:
    """Seconds since the image was pulled; infinite where nobody remembers, or the clock was turned back."""
    at = _read().get(str(name), 0)
    return time.time() - at if 0 < at <= time.time() else math.inf


def remember(name: Reference) -> None:
    """It was pulled now. Where that cannot be written it is pulled once more than needed."""
    times = {**_read(), str(name): time.time()}
    newest = dict(sorted(times.items(), key=lambda item: -item[1])[:_MOST])
    try:
        write_state(_path(), json.dumps(newest).encode())
    except OSError as exc:
        detail(f"{_path()} cannot be written: {exc.strerror}")


def _path() -> Path:
    return state_folder() / "pulled.json"


def _read() -> dict[str, float]:
    text = read_state(_path(), limit=1 << 20)
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: at for name, at in found.items() if isinstance(at, int | float)}
