"""Passes when packages are asked for; mistakes in how are told by the build, where they can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aptfile import wanted
from pybuild.errors import InvalidFile
from pybuild.libcnb.plan import NotForUs, passed

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext
    from pybuild.libcnb.plan import Passed


def detect(context: DetectContext) -> Passed | NotForUs:
    """Pass for an Aptfile, a table in project.toml with packages, or `BP_APT_PACKAGES`."""
    if (context.app / wanted.APTFILE).is_file() or context.setting(wanted.VARIABLE):
        return passed()
    try:
        tables = wanted.project_tables(context.app)
    except InvalidFile:
        return passed()
    return passed() if tables else NotForUs(reason="No Aptfile or the like.")
