"""Rows as aligned text: every column as wide as it needs, the last one wrapped to what is left of the line."""

from __future__ import annotations

import shutil
import textwrap
import unicodedata
from typing import TYPE_CHECKING

from pybuild.cli.show.console import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_BREAK = "\u00a0"
_NARROWEST = 24  # columns that the last cell gets at least, so that it never becomes a tower of single words
_WIDEST = 120


def line_width() -> int:
    """Columns of the terminal (or of the variable COLUMNS), 80 where there is none, at most 120."""
    return min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)


def table(
    rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), width: int = 80, indent: str = ""
) -> list[str]:
    """Lines of the table. Cells come from anywhere: control characters are shown as escapes, line ends as spaces.

    No line ends at a no-break space, which is shown as a usual one.
    """
    clean = [list(map(_clean, row)) for row in ([header, *rows] if header else rows)]
    if not clean:
        return []
    widths = [max(map(_columns, column)) for column in list(zip(*clean, strict=True))[:-1]]
    left = len(indent) + sum(width + 2 for width in widths)
    lines = []
    for row in clean:
        start = indent + "".join(
            cell + " " * (width - _columns(cell) + 2) for cell, width in zip(row, widths, strict=False)
        )
        # A long name or path goes beyond the line rather than being broken: people copy them.
        room = max(width - left, _NARROWEST)
        wrapped = textwrap.wrap(row[-1], room, break_on_hyphens=False, break_long_words=False) or [""]
        lines += [(start + wrapped[0]).rstrip(), *(" " * left + more for more in wrapped[1:])]
    return [line.replace(NO_BREAK, " ") for line in lines]


def _clean(cell: str) -> str:
    parts = (printable(" ".join(part.split())) for part in cell.split(NO_BREAK))
    return NO_BREAK.join(parts)


def _columns(text: str) -> int:
    """How many columns a terminal needs for it: two for wide characters, none for combining ones."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
