"""JSON text as Go writes it, and reading that no document can crash: GO-45."""

from __future__ import annotations

import json
import math
import time
from datetime import date, datetime, timedelta, timezone
from datetime import time as clock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from support.pace import allowed

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | TEXTS | st.integers(-(2**63), 2**63) | st.floats(-(2.0**53), 2.0**53),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_reads_back_the_same(value: object) -> None:
    assert gojson.loads(gojson.dumps(value), where="it") == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_has_few_characters_and_every_bit(value: float) -> None:
    text = gojson.dumps(value)

    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert len(text) <= 25
    assert ("e" in text) == (value != 0 and not 1e-6 <= abs(value) < 1e21)


@given(VALUES)
def test_text_is_ascii_safe_for_html_and_scripts(value: object) -> None:
    assert not set(gojson.dumps(value)) & set("<>&\u2028\u2029\x00\n")


@given(st.text(alphabet='{}[]",:\\ue0159.-+ntrfalsu \n', max_size=40))
def test_any_text_is_read_as_the_standard_library_does_or_refused(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        expected = InvalidFile

    try:
        found = gojson.loads(text, where="it")
    except InvalidFile:
        found = InvalidFile

    # Go knows no NaN, and no number beyond float64; a lone surrogate is its replacement character.
    assert found in (expected, InvalidFile) or "\\u" in text


def test_mappings_are_sorted_and_structs_are_not() -> None:
    value = {"b": Struct(z=1, a={"d": 1, "c": 2}), "a": ()}

    assert gojson.dumps(value) == '{"a":[],"b":{"z":1,"a":{"c":2,"d":1}}}'
    assert gojson.dumps(value, sort_keys=False) == '{"b":{"z":1,"a":{"d":1,"c":2}},"a":[]}'


def test_keys_sort_by_their_bytes() -> None:
    assert (
        gojson.dumps({"\U00010000": 1, "\uffff": 2, "a": 3, "B": 4})
        == '{"B":4,"a":3,"\uffff":2,"\U00010000":1}'
    )


def test_bytes_that_are_not_utf8_become_the_replacement_character() -> None:
    assert gojson.dumps(b"a\xffb".decode(errors="surrogateescape")) == '"a\\ufffdb"'


def test_moments_are_rfc_3339() -> None:
    zone = timezone(timedelta(hours=-7))
    moments = [
        datetime(1979, 5, 27, 0, 32, 0, 500, zone),
        datetime(1979, 5, 27),
        date(1979, 5, 27),
        clock(7, 32),
    ]

    assert json.loads(gojson.dumps(moments)) == [
        "1979-05-27T00:32:00.0005-07:00",
        "1979-05-27T00:00:00Z",
        "1979-05-27T00:00:00Z",
        "0000-01-01T07:32:00Z",
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan]])
def test_a_number_without_json_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no JSON form"):
        gojson.dumps(value)


def test_a_value_without_json_form_is_our_mistake() -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        gojson.dumps({1})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON: Expecting value at line 1, column 1"),
        ('{"a":\n1,}', "at line 2"),
        ("[1] 2", "Extra data"),
        ("NaN", "NaN is no JSON number"),
        ("-Infinity", "-Infinity is no JSON number"),
        ("1e999", "1e999 is too large"),
        ("1" * 10_000, "not JSON that can be read"),
        ('"a\nb"', "Invalid control character"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        ("[" * 100_000, "nested deeper than 200 levels"),
        ('{"a":' * 100_000, "nested deeper than 200 levels"),
        ("[" * 201 + "]" * 201, "nested deeper than 200 levels"),
        ('"' * 100_000, "Extra data"),
        ('"\\' * 1_000_000, "not JSON"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_bad_json_is_refused_at_once(text: str | bytes, problem: str) -> None:
    start = time.monotonic()

    with pytest.raises(InvalidFile, match=problem) as caught:
        gojson.loads(text, where="a label")

    assert str(caught.value).startswith("a label: ")
    assert len(str(caught.value)) < 400
    assert time.monotonic() - start < allowed(2)


def test_a_text_that_is_too_long_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(InvalidFile, match="larger than 10 bytes"):
        gojson.loads("[          ]", where="it", limit=10)


def test_brackets_inside_texts_are_no_nesting() -> None:
    assert gojson.loads(json.dumps("[" * 1000 + '\\"' + "[" * 1000), where="it").count("[") == 2000


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    assert gojson.loads('{"\\ud800": ["\\udfff", "\\ud83d\\ude00"]}', where="it") == {
        "\ufffd": ["\ufffd", "😀"]
    }


def test_a_negative_zero_keeps_its_sign() -> None:
    """GO-45: Go reads numbers of labels as floating point numbers, and writes them again."""
    assert gojson.dumps(gojson.loads("[-0, 0, -1]", where="it")) == "[-0,0,-1]"
