"""`pybuild compare --html FILE`: what differs between two images, as a page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pybuild.cli.show.compare_table import (
    SIGNS,
    files_title,
    grouped,
    overview,
    short,
    titled,
    verdict,
    what_changed,
)
from pybuild.cli.show.console import human_time
from pybuild.cli.show.page import cells, page, section, text
from pybuild.platform.images.compare import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pybuild.platform.images.compare_build import BuildComparison

MOST_ROWS = 500
"""Rows of one table; a page that nobody can scroll through helps nobody, and --json has them all."""
_KINDS = {"added": "good", "changed": "new", "removed": "gone"}


def compare_page(result: Comparison | BuildComparison) -> str:
    """The page."""
    found = result if isinstance(result, Comparison) else result.comparison
    times = "" if isinstance(result, Comparison) else section("Time", _times(result))
    return page(f"{found.a.name} and {found.b.name}", filter(None, [*_parts(found), times]))


def _parts(found: Comparison) -> Iterator[str]:
    yield f'<p class="{"good" if found.same else "new"}">{text(verdict(found))}</p>'
    yield section(
        "Overview", cells(("", "A", "B"), [("image", found.a.name, found.b.name), *overview(found)])
    )
    if found.identical:
        return
    pairs = list(grouped(found.layers))
    rows = [
        (
            _word(pair.change),
            owner,
            " → ".join(dict.fromkeys(short(each.diff_id) for each in (pair.a, pair.b) if each)),
        )
        for owner, pair in pairs
    ]
    yield section(
        "Layers, bottom first", _table(("", "Layer", "Contents"), rows, [pair.change for _, pair in pairs])
    )
    for files in found.files:
        listed = files.changes.files
        rows = [(_word(file.change), file.path, what_changed(file)) for file in listed]
        yield section(
            f"Files of{files_title(files).removeprefix('FILES of')}",
            _table(("", "File", "What"), rows, [file.change for file in listed], files.changes.total),
        )
    for title, differences in titled(found):
        values = [
            (
                _word(each.change),
                f"{each.path}{f' {each.at}' if each.at else ''}",
                _value(each.a),
                _value(each.b),
            )
            for each in differences
        ]
        yield section(title, _table(("", "Name", "A", "B"), values, [each.change for each in differences]))
    sboms = [
        (sign, component, each.file)
        for each in found.sbom
        for sign, components in (("added", each.added), ("removed", each.removed))
        for component in components
    ]
    rows = [(_word(sign), component, file) for sign, component, file in sboms]
    yield section(
        "Bill of materials", _table(("", "Component", "File"), rows, [sign for sign, _, _ in sboms])
    )
    yield section("Notes", "".join(f"<p>{text(note)}</p>" for note in found.notes))


def _times(result: BuildComparison) -> str:
    rows = [(run.tool, human_time(run.first), human_time(run.rebuild), run.version) for run in result.runs]
    return cells(("Tool", "First build", "Rebuild", "Version"), rows)


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str]], changes: Iterable[str], total: int = 0
) -> str:
    kinds = [_KINDS.get(change, "") for change in changes]
    left = max(total, len(rows)) - min(len(rows), MOST_ROWS)
    more = f'<p class="soft">… and {left} more; pybuild compare --json lists them</p>' if left else ""
    return cells(header, rows[:MOST_ROWS], kinds=kinds) + more


def _word(change: str) -> str:
    # The sign for those who know the table in a terminal, the word for everybody else.
    return f"{SIGNS[change]} {change}"


def _value(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
