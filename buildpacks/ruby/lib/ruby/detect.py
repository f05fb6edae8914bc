"""Passes for anything that looks like Ruby; what is missing is told by the build, where it can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.plan import NotForUs, Passed, Require, passed

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext

MARKS = ("Gemfile", "Gemfile.lock", "config.ru")


def detect(context: DetectContext) -> Passed | NotForUs:
    """Pass with ruby."""
    mark = next((name for name in MARKS if (context.app / name).is_file()), "")
    if not mark:
        return NotForUs(reason="No Gemfile and no config.ru in the root of the app.")
    return passed(provides=("ruby",), requires=(Require(name="ruby", metadata={"found": mark}),))
