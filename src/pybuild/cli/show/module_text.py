"""Builders and packages as pack prints them: tables of modules, and detection orders as trees."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from pybuild.cli.show.console import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.platform.builders.builder_inspect import ModuleInfo, Step

BRANCH, LAST, TRUNK = " ├ ", " └ ", " │ "
NONE = "  (none)"


def columns(rows: Sequence[Sequence[str]], *, gap: int, strip: bool = True) -> list[str]:
    """Rows with every column as wide as it needs and `gap` blanks more."""
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) + gap for column in list(zip(*clean, strict=True))[:-1]]
    lines = [
        "".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in clean
    ]
    return [line.rstrip() if strip else line for line in lines]


def module_table(modules: Sequence[ModuleInfo]) -> list[str]:
    """ID, NAME, VERSION and HOMEPAGE of each."""
    if not modules:
        return [NONE]
    rows = [(f"  {each.id}", each.name or "-", each.version, each.homepage or "-") for each in modules]
    return columns([("  ID", "NAME", "VERSION", "HOMEPAGE"), *rows], gap=8)


def order_tree(steps: Sequence[Step]) -> list[str]:
    """The tree of a builder's order."""
    return aligned(list(_builder_rows(steps, ""))) if steps else [NONE]


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of one or two cells; the second ones of rows that follow each other begin in one column."""
    lines = []
    for length, block in itertools.groupby(rows, key=len):
        together = list(block)
        lines += columns(together, gap=4) if length > 1 else [printable(row[0]) for row in together]
    return lines


def _builder_rows(steps: Sequence[Step], prefix: str) -> Iterator[tuple[str, ...]]:
    number = 0
    for step in steps:
        last = step is steps[-1]
        line, below = f"{prefix}{LAST if last else BRANCH}", f"{prefix}{'   ' if last else TRUNK}"
        if not step.group:
            yield _named(line, step)
            continue
        if step.ref is not None:
            yield _named(line, step)
            line, below = f"{below}{LAST}", f"{below}   "
        number += 1
        yield (f"{line}Group #{number}:",)
        yield from _builder_rows(step.group, below)


def group_tree(steps: Sequence[Step]) -> list[str]:
    """The tree of a package's order: the groups of each composite stand below it."""
    return aligned(list(_group_rows(steps, ""))) if steps else [NONE]


def _group_rows(groups: Sequence[Step], prefix: str) -> Iterator[tuple[str, ...]]:
    for number, group in enumerate(groups, start=1):
        last = number == len(groups)
        yield (f"{prefix}{LAST if last else BRANCH}Group #{number}:",)
        below = f"{prefix}{'   ' if last else TRUNK}"
        for step in group.group:
            end = step is group.group[-1]
            yield _named(f"{below}{LAST if end else BRANCH}", step)
            yield from _group_rows(step.group, f"{below}{'   ' if end else TRUNK}")


def _named(line: str, step: Step) -> tuple[str, str]:
    marks = ("(optional)" if step.ref and step.ref.optional else "") + ("[cyclic]" if step.cyclic else "")
    return f"{line}{step.ref}", marks


def step_data(step: Step) -> dict[str, Any]:
    """A step of an order with pack's keys."""
    data: dict[str, Any] = dict(step.ref.tree()) if step.ref is not None else {}
    if step.cyclic:
        data["cyclic"] = True
    if step.group:
        data["buildpacks"] = list(map(step_data, step.group))
    return data
