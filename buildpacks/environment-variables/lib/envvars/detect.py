"""Passes when there is a `BPE_` variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envvars.variables import PREFIX
from pybuild.libcnb.plan import NotForUs, passed

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext
    from pybuild.libcnb.plan import Passed


def detect(context: DetectContext) -> Passed | NotForUs:
    """Mistakes in the names are told by the build."""
    if any(name.startswith(PREFIX) for name in context.environ):
        return passed()
    return NotForUs(reason="No BPE_ variables.")
