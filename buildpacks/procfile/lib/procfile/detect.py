"""Passes for an app with a Procfile; mistakes in it are told by the build, where they can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.plan import NotForUs, passed

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext
    from pybuild.libcnb.plan import Passed


def detect(context: DetectContext) -> Passed | NotForUs:
    """Pass when there is a Procfile."""
    if (context.app / "Procfile").is_file():
        return passed()
    return NotForUs(reason="No Procfile in the root of the app.")
