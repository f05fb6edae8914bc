"""pybuild: source in, runnable OCI image out. A Cloud Native Buildpacks platform and lifecycle in Python.

    import pybuild

    result = pybuild.build("myapp", path=".")

What it offers is in `pybuild.api`, which is imported when it is first used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

# Buildpacks are started by the Python of whatever build image there is, and nobody asked pip whether it is new enough.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "ERROR: pybuild and its buildpacks need Python 3.11 or newer as python3; %s is %s. "  # noqa: UP031
        "Use a builder with a newer release, such as Debian 12 or Ubuntu 24.04."
        % (sys.executable, sys.version.split()[0])
    )

if TYPE_CHECKING:
    from pybuild.api import Building, BuildOptions, build, compare, inspect, plan, rebase
    from pybuild.errors import PybuildError
    from pybuild.events import Event

__version__ = "0.1.0"
__all__ = (
    "BuildOptions",
    "Building",
    "Event",
    "PybuildError",
    "__version__",
    "build",
    "compare",
    "inspect",
    "plan",
    "rebase",
)

_PLACES = {"PybuildError": "pybuild.errors", "Event": "pybuild.events"}


def __getattr__(name: str) -> object:
    """The public names, from where they are."""
    if name not in __all__:
        raise AttributeError(f"module 'pybuild' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_PLACES.get(name, "pybuild.api")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """What may be used."""
    return sorted(__all__)
