"""The words of Dockerfile instructions: quotes, escapes, variables."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.lifecycle.dockerfile_words import exec_form, expand, flags, pairs, split

VALUES = {"a": "A", "empty": "", "b_1": "B"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("x", "x"),
        ("$a", "A"),
        ("${a}x", "Ax"),
        ("$b_1", "B"),
        ("$none", ""),
        ("$", "$"),
        ("$$", "$$"),
        ("'$a'", "$a"),
        ('"$a b"', "A b"),
        (r"\$a", "$a"),
        (r'"\$a \" \\ \x"', '$a " \\ \\x'),
        ("${none:-x$a}", "xA"),
        ("${empty:-x}", "x"),
        ("${empty-x}", ""),
        ("${a:+there}", "there"),
        ("${empty:+there}", ""),
        ("${empty+there}", "there"),
        ("${none:-${a}}", "A"),
    ],
)
def test_words_expand_as_docker_expands_them(text: str, expanded: str) -> None:
    assert expand(text, VALUES, where="x") == expanded


@pytest.mark.parametrize("text", ["'", '"', "${", "${a", "${a:?x}", "${a#x}", "${}"])
def test_words_that_end_too_soon_or_do_more_are_refused(text: str) -> None:
    with pytest.raises(InvalidFile, match=r"^x: "):
        expand(text, VALUES, where="x")


def test_words_are_split_where_no_quote_is_open() -> None:
    assert split("a 'b c' \"d e\"f g\\ h") == ["a", "'b c'", '"d e"f', "g\\ h"]


def test_both_forms_of_env_are_read() -> None:
    assert pairs("a=1 b='2 3' c=$a", VALUES, where="x") == [("a", "1"), ("b", "2 3"), ("c", "A")]
    assert pairs("name several words", VALUES, where="x") == [("name", "several words")]


def test_only_an_array_of_strings_is_the_exec_form() -> None:
    assert exec_form('["a", "b c"]') == ["a", "b c"]
    assert exec_form("[ -f x ] && y") is None
    assert exec_form("[1]") is None


def test_flags_come_first() -> None:
    assert flags("--chown=1:2 --link a --b") == ({"chown": "1:2", "link": ""}, "a --b")
