"""The page of the tree, and the tables of modules in the folders, name what there is: no more and no less."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pybuild"
PAGE = (ROOT / "docs" / "explanation" / "layout.md").read_text("utf-8")
NAME = re.compile(r"`([a-z_]+)[`.]")
FEW = 12
"""A folder of no more modules than these needs no table: its names say enough."""


def modules(folder: Path) -> set[str]:
    """The modules in the folder, and the folders in it that are packages."""
    return {path.stem for path in folder.glob("*.py")} - {"__init__"} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }


LARGE = sorted(
    str(path.parent.relative_to(SOURCE))
    for path in (*SOURCE.glob("*/__init__.py"), *SOURCE.glob("*/*/__init__.py"))
    if len(modules(path.parent)) > FEW or path.parent.parent != SOURCE
)


@pytest.mark.parametrize("name", LARGE)
def test_the_table_of_a_folder_names_every_module_of_it(name: str) -> None:
    told = ast.get_docstring(ast.parse((SOURCE / name / "__init__.py").read_text("utf-8"))) or ""

    missing = modules(SOURCE / name) - set(NAME.findall(told))

    assert missing == set(), f"add to the table in {name}/__init__.py: what each of these answers"


@pytest.mark.parametrize("name", sorted({*LARGE} - {"libcnb"}))
def test_the_first_words_of_a_row_are_modules_that_are_there(name: str) -> None:
    told = ast.get_docstring(ast.parse((SOURCE / name / "__init__.py").read_text("utf-8"))) or ""
    column = 2 if name == "lifecycle" else 1  # there, the phase comes first
    cells = [row.split("|")[column] for row in told.splitlines() if row.startswith("|")]

    gone = {word for cell in cells for word in NAME.findall(cell)} - modules(SOURCE / name)

    assert gone == set(), f"take out of the table in {name}/__init__.py"


def test_the_page_names_every_folder_at_the_top() -> None:
    listed = set(
        re.findall(r"^\| `([a-z]+)/(?:pybuild/)?`", PAGE.partition("## src/pybuild")[0], re.MULTILINE)
    )

    there = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert listed == there - {"dist"}  # which `make` writes


def test_the_page_sends_readers_to_files_that_are_there() -> None:
    wanted = re.findall(r"`([a-z_/]+(?:\.py|/))`", PAGE.partition("## Where to start reading")[2])

    assert wanted
    assert [path for path in wanted if not ((SOURCE / path).exists() or (ROOT / path).exists())] == []
