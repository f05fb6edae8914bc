"""nginx offers itself; whether it is used is for the buildpacks after it to say, in the build plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.plan import passed

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext
    from pybuild.libcnb.plan import Passed


def detect(context: DetectContext) -> Passed:  # noqa: ARG001 - nothing in the app decides this
    """Always passes; a group in which nobody requires nginx goes on without it."""
    return passed(provides=("nginx",))
