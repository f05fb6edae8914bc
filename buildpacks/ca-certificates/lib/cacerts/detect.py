"""Passes when certificates are bound to the build, or the image is to take them at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cacerts.certificates import RUNTIME, bound
from pybuild.libcnb.plan import NotForUs, passed

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext
    from pybuild.libcnb.plan import Passed


def detect(context: DetectContext) -> Passed | NotForUs:
    """Not for what pybuild binds by itself: an image must not depend on the machine that built it."""
    if bound(context.bindings) or context.flag(RUNTIME):
        return passed()
    return NotForUs(reason="No CA certificates are bound.")
