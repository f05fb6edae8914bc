"""Passes for anything that looks like Rust; what is missing is told by the build, where it can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.plan import NotForUs, Passed, Require, passed

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext

MARKS = ("Cargo.toml", "Cargo.lock")


def detect(context: DetectContext) -> Passed | NotForUs:
    """Pass with rust."""
    for name in MARKS:
        if (context.app / name).is_file():
            return passed(provides=("rust",), requires=(Require(name="rust", metadata={"found": name}),))
    return NotForUs(reason="No Cargo.toml in the root of the app.")
