"""Writes docs/reference/conformance.md: each requirement of the specification with the tests that show it, or why not.

`tests/conformance/checklist.toml` has the requirements. A test covers one by naming its id in its own docstring
(`LCH-03`, `ENV-07 to ENV-10`); a module's docstring counts for nothing. `tests/conformance/reasons.toml` has the
rest. `--check` only compares; a unit test does the same.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
PAGE = ROOT / "docs" / "reference" / "conformance.md"
SHOWN = 3
_ID = re.compile(r"\b([A-Z]{3}|GO)-(\d\d)(?:(?: to |…)(?:\1-)?(\d\d)\b)?")
_NOTE = (
    "<!-- Written by scripts/conformance.py from tests/. Change those, then run it again (`make docs`). -->"
)
_INTRODUCTION = """\
What the specification of Cloud Native Buildpacks asks of a lifecycle and a platform (Platform API 0.7 to 0.15,
Buildpack API 0.7 to 0.12), in our words, with the tests whose docstring names it. A unit test fails when a MUST has
neither a test nor a reason. `GO-…` are facts about the Go lifecycle that the specification leaves open, `AMB-…` our
decisions where it is not clear; comments and tests name them too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One of checklist.toml."""

    id: str
    section: str
    strength: str
    source: str
    text: str

    @property
    def must(self) -> bool:
        """Whether anything in it is a MUST."""
        return "MUST" in self.strength


def requirements() -> list[Requirement]:
    """All of them, in the checklist's order."""
    tables = tomllib.loads((TESTS / "conformance" / "checklist.toml").read_text("utf-8"))["requirement"]
    return [Requirement(**{"source": "", **table}) for table in tables]


def reasons() -> dict[str, str]:
    """For requirements without a test: why there is none."""
    listed = tomllib.loads((TESTS / "conformance" / "reasons.toml").read_text("utf-8"))
    return {
        each: f"{kind.replace('-', ' ')}: {reason}"
        for kind, found in listed.items()
        for each, reason in found.items()
    }


def named(ids: Callable[[str], Iterable[str]]) -> dict[str, list[tuple[str, str]]]:
    """For each id that a test names: the tests, as file (relative to tests/) and function.

    `ids` finds them in a docstring.
    """
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                for each in dict.fromkeys(ids(ast.get_docstring(node) or "")):
                    found[each].append((str(path.relative_to(TESTS)), node.name))
    return found


def ids(text: str) -> Iterator[str]:
    """Every id in a text, those of a range one by one."""
    for kind, first, last in _ID.findall(text):
        yield from (f"{kind}-{number:02}" for number in range(int(first), int(last or first) + 1))


def problems(
    asked: Sequence[Requirement], tested: Mapping[str, object], listed: Mapping[str, str]
) -> list[str]:
    """What is wrong with coverage, one sentence each."""
    known = {each.id: each for each in asked}
    kinds = {each.partition("-")[0] for each in known}
    return [
        *(f"{each.id}: a MUST that no test names and reasons.toml does not list" for each in asked
          if each.must and each.id not in tested and each.id not in listed),
        *(f"{each}: reasons.toml lists it, but a test names it" for each in listed if each in tested),
        *(f"{each}: reasons.toml lists it, but the checklist has no such id" for each in listed if each not in known),
        *(f"{each}: a test names it, but the checklist has no such id" for each in tested
          if each not in known and each.partition("-")[0] in kinds),
    ]  # fmt: skip


def page() -> str:
    """The whole page."""
    asked, tested, listed = requirements(), named(ids), reasons()
    lines = ["# Conformance", "", _NOTE, "", _INTRODUCTION, _figures(asked, tested, listed)]
    section = ""
    for each in asked:
        if each.section != section:
            section = each.section
            lines += [
                "",
                f"## {section}",
                "",
                "| id | requirement | strength | shown by |",
                "|---|---|---|---|",
            ]
        shown = tests_cell(tested[each.id]) if each.id in tested else cell(listed.get(each.id, ""))
        lines.append(f"| {each.id} | {_what(each)} | {each.strength} | {shown} |")
    return "\n".join(lines) + "\n"


def _figures(asked: Sequence[Requirement], tested: Mapping[str, object], listed: Mapping[str, str]) -> str:
    must = [each for each in asked if each.must]
    covered = sum(each.id in tested for each in must)
    by_kind: dict[str, int] = defaultdict(int)
    for each in must:
        if each.id in listed:
            by_kind[listed[each.id].partition(":")[0]] += 1
    rest = ", ".join(f"{count} {kind}" for kind, count in sorted(by_kind.items()))
    return f"Of {len(must)} requirements with a MUST, {covered} are shown by tests; with a reason: {rest or 'none'}."


def _what(each: Requirement) -> str:
    source = f" *({each.source})*" if each.source else ""
    return cell(each.text) + cell(source)


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return text.replace("|", "\\|")


def tests_cell(found: Sequence[tuple[str, str]]) -> str:
    """Some of the tests, as links."""
    links = [f"[{_words(name)}](../../tests/{file})" for file, name in found[:SHOWN]]
    more = f"and {len(found) - SHOWN} more" if found[SHOWN:] else ""
    return "<br>".join([*links, *([more] if more else [])])


def _words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def conclude(file: Path, text: str, found: Sequence[str], *, script: str) -> int:
    """Tell the problems `found`, and write the page, or with `--check` say that it is not current; the exit code."""
    for each in found:
        print(each)
    stale = not file.is_file() or file.read_text("utf-8") != text
    if stale and "--check" in sys.argv[1:]:
        print(f"{file.relative_to(ROOT)} is not current: python scripts/{script}.py")
        return 1
    if stale:
        file.write_text(text, "utf-8")
        print(f"{file.relative_to(ROOT)} written")
    return 1 if found else 0


def main() -> int:
    """Write the page, or with `--check` say that it is not current; tell what is wrong with coverage."""
    return conclude(PAGE, page(), problems(requirements(), named(ids), reasons()), script="conformance")


if __name__ == "__main__":
    sys.exit(main())
