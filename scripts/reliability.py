"""Writes docs/reference/reliability.md: what goes wrong or means harm, what must happen, and the tests that show it.

`tests/conformance/reliability.toml` has the rows. A test covers one by naming its id in its own docstring (`S-04`, `F-07 to
F-09`, `G4`). `--check` only compares; a unit test does the same.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance import ROOT, TESTS, cell, conclude, named, tests_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAGE = ROOT / "docs" / "reference" / "reliability.md"
KINDS = {"S": "Attacks", "F": "Faults"}
_ROW = re.compile(r"\b([SF])-(\d\d)(?:(?: to |…)(?:\1-)?(\d\d)\b)?")
_PROMISE = re.compile(r"\bG\d{1,2}\b")
_NOTE = (
    "<!-- Written by scripts/reliability.py from tests/. Change those, then run it again (`make docs`). -->"
)
_INTRODUCTION = """\
What goes wrong on real machines, and what somebody who means harm may try, with the tests that do it to a real build, engine,
registry or file, and look at what came of it. A test names its row in its docstring; a unit test fails when a row has none.

After each case the same is asked: one error, with its exit code; the previous image as it was, or the new one whole; nothing
left on the engine or the disk; and a next build that succeeds with the image of a clean one.

`make test-faults` runs most of them, `make test` all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One of reliability.toml."""

    id: str
    what: str
    must: str
    note: str = ""
    """What of it no test shows, or what is only run by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the rows come to."""

    id: str
    text: str


def rows() -> list[Row]:
    """All of them, in the file's order."""
    return [Row(**table) for table in _table()["row"]]


def promises() -> list[Promise]:
    """The ten."""
    return [Promise(**table) for table in _table()["promise"]]


def _table() -> dict[str, list[dict[str, str]]]:
    return tomllib.loads((TESTS / "conformance" / "reliability.toml").read_text("utf-8"))


def ids(text: str) -> Iterator[str]:
    """Every id in a text, those of a range one by one."""
    for kind, first, last in _ROW.findall(text):
        yield from (f"{kind}-{number:02}" for number in range(int(first), int(last or first) + 1))
    yield from _PROMISE.findall(text)


def problems(known: Sequence[str], tested: Mapping[str, object]) -> list[str]:
    """What is wrong with coverage, one sentence each."""
    return [
        *(f"{each}: no test names it" for each in known if each not in tested),
        *(f"{each}: a test names it, but reliability.toml has no such id" for each in tested
          if each not in known),
    ]  # fmt: skip


def known() -> list[str]:
    """Every id there is."""
    return [each.id for each in (*promises(), *rows())]


def page() -> str:
    """The whole page."""
    tested = named(ids)
    found = rows()
    shown = sum(each.id in tested for each in found)
    lines = ["# Faults and attacks", "", _NOTE, "", _INTRODUCTION, ""]
    lines += [
        f"Of {len(found)} rows, {shown} are shown by tests.",
        "",
        "## The promises",
        "",
        "| id | promise | tests |",
        "|---|---|---|",
    ]
    lines += [f"| {each.id} | {cell(each.text)} | {tests_cell(tested[each.id])} |" for each in promises()]
    for kind, title in KINDS.items():
        lines += ["", f"## {title}", "", "| id | what | what must happen | tests |", "|---|---|---|---|"]
        lines += [_line(each, tested[each.id]) for each in found if each.id.startswith(kind)]
    return "\n".join(lines) + "\n"


def _line(row: Row, tests: Sequence[tuple[str, str]]) -> str:
    note = f" *{row.note}*" if row.note else ""
    return f"| {row.id} | {cell(row.what)} | {cell(row.must + note)} | {tests_cell(tests)} |"


def main() -> int:
    """Write the page, or with `--check` say that it is not current; tell what is wrong with coverage."""
    return conclude(PAGE, page(), problems(known(), named(ids)), script="reliability")


if __name__ == "__main__":
    sys.exit(main())
