"""Which process made an object on the engine, written in the object's labels, and whether that process still runs.

Only objects with these labels are ever removed, and only when their maker is known to be dead.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["cache", "build", "private", "extended", "run", "kept"]

KIND = "io.pybuild.kind"
IMAGE = "io.pybuild.image"
BUILDER = "io.pybuild.builder"
CREATED = "io.pybuild.created"
HOST = "io.pybuild.host"
PROCESS = "io.pybuild.process"


def labels(kind: Kind, *, image: str, builder: str) -> dict[str, str]:
    """What every object of ours carries. `kind`: a cache volume, a build's container, a build's private volume, an app that runs,
    the container of a build that is to be kept if it fails.

    An image made for extensions has its kind alone: the engine's build cache goes by labels, too.
    """
    return {
        KIND: kind,
        IMAGE: image,
        BUILDER: builder,
        CREATED: str(int(time.time())),
        HOST: this_host(),
        PROCESS: f"{os.getpid()}/{_started(os.getpid())}",
    }


def is_ours(found: Mapping[str, str] | None, kind: Kind) -> bool:
    """Whether an object with these labels is one of ours of this kind."""
    return bool(found) and (found or {}).get(KIND) == kind


def maker_is_dead(found: Mapping[str, str]) -> bool:
    """Whether the process that made an object has ended; False also when only its own host could tell."""
    number, _, started = found.get(PROCESS, "").partition("/")
    if found.get(HOST) != this_host() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    # Numbers come round again: another process that has this one now began at another time.
    return _started(int(number)) != started


def is_abandoned(found: Mapping[str, str], seconds: float) -> bool:
    """Whether an object whose maker cannot be looked at is older than so many seconds.

    One of our own host is asked for itself (`maker_is_dead`), and not its clock, which may be wrong.
    """
    return found.get(HOST) != this_host() and age(found) > seconds


def age(found: Mapping[str, str]) -> float:
    """Seconds since the object was made, by this machine's clock; 0 when its label does not tell."""
    made = found.get(CREATED, "")
    return max(0.0, time.time() - int(made)) if made.isdigit() and len(made) < 15 else 0.0


def this_host() -> str:
    """A name for the processes that can see each other: this boot of this kernel, in this process namespace."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with suppress(OSError):
        # Two CI containers share a kernel, and each has a process 7 of its own.
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _started(process: int) -> str:
    """When a process began, in clock ticks since the boot; "" where there is no /proc."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The second field is the program's name in parentheses, which may hold anything.
    return text.rpartition(")")[2].split()[19]
