"""The table of a detection: who passed, who did not, and why; and where the app may be instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.cli.show.trail import next_step, trail_data, trail_lines
from pybuild.errors import DetectionFailed, NothingDetected
from pybuild.lifecycle.detect_trail import BuildpackTrail, GroupTrail
from pybuild.lifecycle.resolve import Unmet

if TYPE_CHECKING:
    from pathlib import Path

PASSED = BuildpackTrail(id="acme/php", version="1", verdict="passed", status=0)
FAILED = BuildpackTrail(id="acme/go", version="2", verdict="failed", status=100, last_line="no go.mod")
OPTIONAL = BuildpackTrail(
    id="acme/proc", version="3", verdict="failed", status=100, optional=True, last_line="no Procfile"
)
BROKEN = BuildpackTrail(id="acme/rb", version="4", verdict="errored", status=7, last_line="boom")
SKIPPED = BuildpackTrail(id="acme/win", version="5", verdict="skipped", reason="it is for windows")


def test_every_verdict_has_its_word_and_its_reason() -> None:
    group = GroupTrail(members=(PASSED, FAILED, OPTIONAL, BROKEN, SKIPPED))

    assert trail_lines([group], width=80) == [
        "Group 1 of 1: did not pass",
        "  BUILDPACK    RESULT    WHY",
        "  acme/php@1   passed",
        "  acme/go@2    failed    no go.mod",
        "  acme/proc@3  left out  no Procfile",
        "  acme/rb@4    error     status 7: boom",
        "  acme/win@5   skipped   it is for windows",
        "",
    ]


def test_an_unmet_requirement_is_told_below_its_group() -> None:
    unmet = Unmet("acme/php@1", "requires", "nginx", True)

    lines = trail_lines([GroupTrail(members=(PASSED,), unmet=(unmet,))], width=100)

    assert "  acme/php@1 requires nginx, which nothing before it provides" in lines


def test_an_optional_buildpack_of_the_chosen_group_says_why_it_was_left_out() -> None:
    unmet = Unmet("acme/php@1", "provides", "php", False)

    lines = trail_lines([GroupTrail(members=(PASSED,), unmet=(unmet,), passed=True)], width=100)

    assert lines[0] == "Group 1 of 1: chosen"
    assert lines[2] == "  acme/php@1  left out  provides php, which nothing after it requires"


def test_people_are_shown_the_first_groups_and_the_last_and_programs_all() -> None:
    groups = [GroupTrail(members=(FAILED,))] * 50

    lines = trail_lines(groups, width=80)

    assert "Group 19 of 50: did not pass" in lines
    assert "Group 20 of 50: did not pass" not in lines
    assert "Group 50 of 50: did not pass" in lines
    assert "(30 more groups; --json shows all of them)" in lines
    assert len(trail_data(groups)) == 50


def test_the_next_step_is_a_folder_that_looks_like_an_app(tmp_path: Path) -> None:
    for folder, file in (
        ("api", "go.mod"),
        ("web", "composer.json"),
        (".git", "package.json"),
        ("docs", "x"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).touch()

    step = next_step(NothingDetected("no"), tmp_path, "myapp")

    assert step == f"api/ looks like an app, with its go.mod (so do web): pybuild myapp --path {tmp_path}/api"


def test_without_such_a_folder_the_next_step_is_to_add_a_file_or_name_a_buildpack(tmp_path: Path) -> None:
    assert "Procfile" in next_step(NothingDetected("no"), tmp_path / "missing", "myapp")


def test_after_an_error_the_next_step_is_to_read_it(tmp_path: Path) -> None:
    assert next_step(DetectionFailed("no"), tmp_path, "x").endswith("pybuild detect -v")
