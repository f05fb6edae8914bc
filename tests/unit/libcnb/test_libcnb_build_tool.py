"""A build tool's failure is told with what to do about what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.libcnb.build_tool import BuildTool
from pybuild.libcnb.command import ToolFailed
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path

TOOL = BuildTool(
    name="Forge",
    again="forge all",
    remedies=(("no (?:net|route)", "Check the network."), ("old forge", "Take a newer one.")),
)
LAST = "Read what Forge says above; `forge all` on your machine should show the same."


def test_what_was_shown_is_not_told_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Problem) as caught:
        TOOL.run(["sh", "-c", "pwd; echo $WHY; exit 3"], tmp_path, {"WHY": "there is no route"})

    assert capfd.readouterr().out == f"      {tmp_path}\n      there is no route\n"
    assert caught.value.heading == "The app could not be compiled"
    assert caught.value.found == "Forge ended with an error, shown above."
    assert caught.value.steps == ("Check the network.", LAST)


def test_all_that_applies_is_told_and_what_nobody_has_seen_too() -> None:
    failure = ToolFailed("forge list ended with status 1", output="an old forge has no net")

    problem = TOOL.explained(failure, "The parts cannot be listed")

    assert (problem.heading, problem.steps) == (
        "The parts cannot be listed",
        ("Check the network.", "Take a newer one.", LAST),
    )
    assert "an old forge has no net" in problem.found


def test_what_is_not_known_has_the_general_step() -> None:
    assert TOOL.steps("something else") == (LAST,)
