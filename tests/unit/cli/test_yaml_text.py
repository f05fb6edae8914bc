"""YAML that every reader gives back."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pybuild.cli.yaml_text import dumps

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
        == "a:\n  - b: c\n    d:\n      - 1\n      - 2\ne: []\n"
    )
