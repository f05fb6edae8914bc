"""Tables stay within the line, and nothing in a cell can move the cursor."""

from __future__ import annotations

from pybuild.cli.show.table import NO_BREAK, table


def test_columns_are_as_wide_as_they_need_and_the_last_one_wraps() -> None:
    lines = table([("a", "one two three four five six"), ("longer", "x")], header=("N", "WHY"), width=32)

    assert lines == [
        "N       WHY",
        "a       one two three four five",
        "        six",
        "longer  x",
    ]


def test_a_narrow_terminal_leaves_the_last_column_room_to_be_read() -> None:
    lines = table([("a" * 30, "one two three four five")], width=20)

    assert lines == [f"{'a' * 30}  one two three four five"]


def test_names_are_not_broken_because_people_copy_them() -> None:
    assert table([("x", "pybuild-cache-" + "a" * 40)], width=30) == [f"x  pybuild-cache-{'a' * 40}"]


def test_cells_from_outside_cannot_move_the_cursor_or_add_lines() -> None:
    """S-38."""
    assert table([("a\x1b[2J", "b\nc\td")]) == ["a\\x1b[2J  b c d"]


def test_wide_and_combining_characters_keep_the_columns_aligned() -> None:
    assert table([("界", "x"), ("e\u0301", "y")]) == ["界  x", "e\u0301   y"]


def test_a_no_break_space_holds_a_number_and_its_unit_together() -> None:
    cell = f"building 1.2{NO_BREAK}s exporting 3.4{NO_BREAK}s"

    assert table([("t", cell)], width=28) == ["t  building 1.2 s exporting", "   3.4 s"]


def test_no_rows_are_no_lines() -> None:
    assert table([]) == []
