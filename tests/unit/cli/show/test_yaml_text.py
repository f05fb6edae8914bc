"""YAML that every reader gives back."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pybuild.cli.show.yaml_text import dumps

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=6), VALUES, max_size=4))
def test_a_reader_gives_back_what_was_written(value: dict[str, object]) -> None:
    assert (yaml.safe_load(dumps(value)) or {}) == value


@pytest.mark.parametrize("word", ["true", "No", "null", "1.0", "0x1f", "2001-01-01", "a: b", "-", "", "~"])
def test_texts_that_look_like_something_else_stay_texts(word: str) -> None:
    assert yaml.safe_load(dumps({"key": word})) == {"key": word}


def test_a_list_of_mappings_is_written_as_people_do() -> None:
    assert (
        dumps({"a": [{"b": "c", "d": [1, 2]}], "e": []})
        == "a:\n    - b: c\n      d:\n        - 1\n        - 2\ne: []\n"
    )


@pytest.mark.parametrize(
    "word", ["Pack CLI", "0.21.17", "0.40.5+x-1", "http://example.com/a", "localhost:5000/a", "build:mixin"]
)
def test_words_and_versions_need_no_quotes(word: str) -> None:
    assert dumps({"key": word}) == f"key: {word}\n"
    assert yaml.safe_load(dumps({"key": word})) == {"key": word}


@pytest.mark.parametrize("word", ["0.7", "a: b", "a #b", "a:", "1:20:30", "1.2", "a ", "a - b"])
def test_what_could_be_something_else_has_quotes(word: str) -> None:
    assert dumps({"key": word}).startswith('key: "')


@given(st.from_regex(r"[A-Za-z0-9.:# -]{1,14}", fullmatch=True))
def test_words_with_marks_come_back_as_they_were(word: str) -> None:
    assert yaml.safe_load(dumps({"key": word, "list": [word]})) == {"key": word, "list": [word]}
