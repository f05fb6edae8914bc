"""The key that Next.js and Astro seal with what pages carry back to the server; kept in layer `build-cache` for the next build.

Both draw a new one at each build unless a variable gives it. Outside of containers Next.js itself keeps it, for as long.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from typing import TYPE_CHECKING

from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext

NEXT = "NEXT_SERVER_ACTIONS_ENCRYPTION_KEY"
ASTRO = "ASTRO_KEY"
SECONDS = 14 * 24 * 3600
_FILE = "key.json"


def environ(context: BuildContext) -> dict[str, str]:
    """Variables for the scripts that build: the keys of the last build, where the user gives none."""
    asked = {name: value for name in (NEXT, ASTRO) if (value := context.environ.get(name))}
    if len(asked) == 2:
        return asked
    key = _kept(context.layers.kept_layer("build-cache", Types(cache=True)).path / _FILE, time.time())
    return {name: base64.b64encode(derived(key, name)).decode() for name in (NEXT, ASTRO)} | asked


def derived(key: bytes, name: str) -> bytes:
    """Another key for one purpose, of 32 bytes, which tells nothing about this one."""
    return hmac.digest(key, name.encode(), hashlib.sha256)


def _kept(file: Path, now: float) -> bytes:
    try:
        entry = json.loads(file.read_bytes())
        key, until = base64.b64decode(entry["key"], validate=True), float(entry["until"])
    except (OSError, ValueError, KeyError, TypeError):
        key, until = b"", 0.0
    if len(key) == 32 and now < until <= now + SECONDS:
        return key
    key = os.urandom(32)
    file.unlink(missing_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump({"key": base64.b64encode(key).decode(), "until": now + SECONDS}, out)
    return key
