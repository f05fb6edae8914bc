"""Passes for anything that looks like Go; what is missing is told by the build, where it can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.plan import NotForUs, Passed, Require, passed

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import DetectContext

MARKS = ("go.mod", "go.work", "main.go")


def detect(context: DetectContext) -> Passed | NotForUs:
    """Pass with go for a module, a workspace, or a lone main.go."""
    mark = find_mark(context.app, context.setting("BP_GO_WORKDIR"))
    if not mark:
        return NotForUs(reason="No go.mod, go.work or main.go in the root of the app.")
    return passed(provides=("go",), requires=(Require(name="go", metadata={"found": mark}),))


def find_mark(app: Path, folder: str) -> str:
    """The first file that says this is a Go app; the setting that names its folder counts as one."""
    for name in MARKS:
        if (app / name).is_file():
            return name
    return "BP_GO_WORKDIR" if folder else ""
