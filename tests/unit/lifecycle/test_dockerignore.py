"""Patterns of .dockerignore: which files a build context has."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.lifecycle.dockerignore import Ignore


@pytest.mark.parametrize(
    ("patterns", "path", "left_out"),
    [
        ("", "a", False),
        ("# a\n\n", "a", False),
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a", "b/a", False),
        ("/a/", "a", True),
        ("./a/../b", "b", True),
        ("*.txt", "x.txt", True),
        ("*.txt", "d/x.txt", False),
        ("*/x", "d/x", True),
        ("**/x", "x", True),
        ("**/x", "d/e/x", True),
        ("**", "d/e/x", True),
        ("d/**", "d/e/x", True),
        ("?", "x", True),
        ("?", "/", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        (r"\*", "x", False),
        (r"\*", "*", True),
        ("a.b", "axb", False),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "other", True),
        ("*\n!keep\nkeep", "keep", True),
        ("d\n!d/keep", "d/keep", False),
        ("\ufeffa", "a", True),
    ],
)
def test_the_last_pattern_that_fits_counts(patterns: str, path: str, left_out: bool) -> None:
    assert Ignore.read(patterns.encode(), where="x").leaves_out(path) is left_out


@pytest.mark.parametrize("pattern", ["[a", "[b-a]"])
def test_what_is_no_pattern_is_refused_by_line(pattern: str) -> None:
    with pytest.raises(InvalidFile, match="x, line 2"):
        Ignore.read(f"\n{pattern}\n".encode(), where="x")
