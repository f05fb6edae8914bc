"""Passes for Maven, Gradle and executable jars; what is missing is told by the build, where it can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from java import project
from pybuild.libcnb.plan import NotForUs, Passed, Require, passed
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext


def detect(context: DetectContext) -> Passed | NotForUs:
    """Pass with java."""
    try:
        found = project.find(context.app, context.environ)
        mark = found.mark if found else ""
    except Problem:
        mark = "pom.xml"
    if not mark:
        return NotForUs(reason="No pom.xml, build.gradle or executable jar in the root of the app.")
    return passed(provides=("java",), requires=(Require(name="java", metadata={"found": mark}),))
