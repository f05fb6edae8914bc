"""How long "at once" may take: a quiet machine's limit, stretched by how busy this one is.

A limit tells what waits for a time-out, or for ever, from what does not. It must never tell a fast machine from a slow one.
"""

from __future__ import annotations

import os


def allowed(seconds: float) -> float:
    """The limit, in seconds, for what takes at most `seconds` on a quiet machine: twice that, more under load."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * (2 + 2 * load)
