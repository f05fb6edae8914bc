"""What documents tell to type: every command of their shell blocks, tables and CI files; and what a data file says of each."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "samples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CI_FILES = sorted((ROOT / "docs").rglob("*.yaml"))
SHELLS = ("sh", "console", "yaml")
_FENCE = re.compile(r"^( *)```(\S*)(?: [^\n]*)?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# A row's last cell that begins with a command is there to be typed.
_ROW = re.compile(r"^\|.*\| (`pybuild [^|]*) \|$", re.MULTILINE)
_TYPED = re.compile(r"`(pybuild [^`\n]*)`")
_HEREDOC = re.compile(r"<<-?\s*'?(\w+)'?")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: its kind (the word after the fence), and its text without the indentation of a list."""

    kind: str
    text: str
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Pages that are read one after the other in one home; a command of several of them is typed once.

    `before`: a script run first. `files`: files to write, each with the kind and number of the fence that has its content.
    `environ`: variables. `ends`: the exit code of commands that do not end with 0. `instead`: texts to replace in commands.
    """

    pages: tuple[str, ...]
    before: str = ""
    files: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    instead: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Commands that are not run on the reader's machine: why, and the test that runs them, if there is one."""

    commands: tuple[str, ...]
    why: str
    test: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The data file. `tests`: the test that runs all commands of a page or a file, where that is a test of its own."""

    readings: tuple[Reading, ...]
    elsewhere: tuple[Elsewhere, ...]
    tests: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Documents:
        content = tomllib.loads(path.read_text("utf-8"))
        return cls(
            readings=tuple(
                Reading(**{**entry, "pages": tuple(entry["pages"])}) for entry in content["reading"]
            ),
            elsewhere=tuple(
                Elsewhere(**{**entry, "commands": tuple(entry["commands"])}) for entry in content["elsewhere"]
            ),
            tests=content["tests"],
        )

    def left_out(self, command: str) -> Elsewhere | None:
        """The entry that says why a command is not run, if one does."""
        return next((entry for entry in self.elsewhere if command in entry.commands), None)


def fences(page: str) -> Iterator[Fence]:
    """All fenced blocks, in order."""
    for found in _FENCE.finditer(page):
        text = "".join(line.removeprefix(found[1]) for line in found[3].splitlines(keepends=True))
        yield Fence(kind=found[2], text=text, start=found.start())


def commands(page: str) -> list[str]:
    """Every command that a page tells to type, in the page's order; a here document belongs to its command."""
    found = [(fence.start, _of_fence(fence)) for fence in fences(page) if fence.kind in SHELLS]
    found += [(row.start(), _TYPED.findall(row[1])) for row in _ROW.finditer(_without_fences(page))]
    return [command for _, group in sorted(found) for command in group]


def indented(page: str) -> list[str]:
    """Lines of blocks that are no fences: only what programs print may stand there."""
    return re.findall(r"^ {4,}(\S.*)$", _without_fences(page), re.MULTILINE)


def ci_scripts(text: str) -> list[str]:
    """The scripts in a file of GitHub Actions or GitLab."""
    return list(_scripts(yaml.safe_load(text)))


def _without_fences(page: str) -> str:
    # As long as before, so that places stay the same.
    return _FENCE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), page)


def _of_fence(fence: Fence) -> list[str]:
    if fence.kind == "yaml":
        return [command for script in ci_scripts(fence.text) for command in _split(script)]
    if fence.kind == "console":
        shown = "".join(line[2:] for line in fence.text.splitlines(keepends=True) if line.startswith("$ "))
        return _split(shown)
    return _split(fence.text)


def _split(script: str) -> list[str]:
    """The commands of a script, without comments beside them."""
    found: list[str] = []
    lines = iter(script.splitlines())
    for line in lines:
        command = line
        while command.endswith("\\"):
            command += "\n" + next(lines)
        if document := _HEREDOC.search(command):
            for inner in lines:
                command += "\n" + inner
                if inner == document[1]:
                    break
        elif "\n" not in command:
            command = re.sub(r"\s{2,}#.*|^#.*", "", command)
        if command.strip():
            found.append(command.strip())
    return found


def _scripts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("run", "script", "before_script", "after_script"):
                yield from [inner] if isinstance(inner, str) else inner
            else:
                yield from _scripts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scripts(inner)
