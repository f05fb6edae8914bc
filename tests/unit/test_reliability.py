"""Every fault and every attack has a test that names it; the page that says so is current, and two pages link to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.scripts import script_of

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    script_of("conformance")
    return script_of("reliability")


def test_every_row_and_every_promise_is_shown_by_a_test(script: Any) -> None:
    """`python scripts/reliability.py` says the same."""
    assert (len(script.rows()), len(script.promises())) == (48 + 32, 10)
    assert script.problems(script.known(), script.named(script.ids)) == []


def test_the_page_is_current(script: Any) -> None:
    """`make docs` writes it."""
    assert (ROOT / "docs/reference/reliability.md").read_text("utf-8") == script.page()


def test_a_row_without_a_test_and_a_test_without_a_row_are_told(script: Any) -> None:
    found = script.problems(["S-01", "F-02", "G1"], {"S-01": [], "S-99": [], "G1": []})

    assert [line.partition(":")[0] for line in found] == ["F-02", "S-99"]


def test_ranges_name_all_that_is_between(script: Any) -> None:
    assert list(script.ids("S-09 to S-11, F-01…F-02; G10, EXP-01, RS-07 to G1")) == [
        *("S-09", "S-10", "S-11", "F-01", "F-02", "G10", "G1"),
    ]


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md"])
def test_the_promises_are_where_people_look(script: Any, page: str) -> None:
    text = (ROOT / page).read_text("utf-8")

    assert "docs/reference/reliability.md" in text
    assert [each.id for each in script.promises() if each.text not in " ".join(text.split())] == []
