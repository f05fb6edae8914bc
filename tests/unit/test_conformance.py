"""Every MUST of the specification has a test that names it, or a reason why not; the page that says so is current."""

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
    return script_of("conformance")


def test_every_must_is_shown_by_a_test_or_has_its_reason(script: Any) -> None:
    """`python scripts/conformance.py` says the same."""
    assert script.problems(script.requirements(), script.named(script.ids), script.reasons()) == []


def test_the_page_is_current(script: Any) -> None:
    """`make docs` writes it."""
    assert (ROOT / "docs/reference/conformance.md").read_text("utf-8") == script.page()


def test_what_is_missing_stale_or_unknown_is_told(script: Any) -> None:
    def one(name: str, strength: str) -> Any:
        return script.Requirement(id=name, section="", strength=strength, source="", text="")

    asked = [
        one("ABC-01", "MUST"),
        one("ABC-02", "MUST / SHOULD"),
        one("ABC-03", "MAY"),
        one("ABC-04", "MUST"),
    ]

    found = script.problems(
        asked, {"ABC-04": [], "ABC-09": [], "S-05": []}, {"ABC-04": "why", "ABC-08": "why"}
    )

    assert [line.partition(":")[0] for line in found] == ["ABC-01", "ABC-02", "ABC-04", "ABC-08", "ABC-09"]


def test_ranges_name_all_that_is_between(script: Any) -> None:
    assert list(script.ids("LCH-09 to LCH-11, ENV-01…ENV-02, GO-07; ENV-05 to BUI-06")) == [
        *("LCH-09", "LCH-10", "LCH-11", "ENV-01", "ENV-02", "GO-07"),
        *("ENV-05", "BUI-06"),
    ]
