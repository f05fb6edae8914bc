"""Reading TOML that anybody may have written, and writing what reads back the same."""

from __future__ import annotations

import math
import time
import tomllib
from datetime import date, datetime, timedelta, timezone
from datetime import time as clock
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from pybuild.spec import toml
from support.pace import allowed

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
SCALARS = (
    TEXTS
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.datetimes(min_value=datetime(1000, 1, 1))
    | st.datetimes(min_value=datetime(1000, 1, 1), timezones=ZONES)
    | st.dates(min_value=date(1000, 1, 1))
    | st.times()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.dictionaries(TEXTS, VALUES, max_size=5)


def read(text: str | bytes) -> dict[str, Any]:
    data = text.encode() if isinstance(text, str) else text
    return dict(toml.load(data, file="f.toml").raw())


@given(DOCUMENTS)
def test_what_is_written_reads_back_the_same(document: dict[str, Any]) -> None:
    assert read(toml.dumps(document)) == document


@given(DOCUMENTS)
def test_what_is_written_reads_the_same_to_the_standard_library(document: dict[str, Any]) -> None:
    assert tomllib.loads(toml.dumps(document)) == document


FRAGMENTS = st.sampled_from(
    [
        *"abc=.,[]{}'\"\\#\n \t\r_-+:019eEnfxZT\x00\x7fé",
        *(
            "a = 1\n",
            "[a]\n",
            "[a.b]\n",
            "[[a]]\n",
            "[[a.b]]\n",
            "a.b = 2\n",
            "b = {c = 1}\n",
            "c = [1, 2]\n",
        ),
        *('"""', "'''", "\\u0041", "\\\n", "true", "inf", "nan", "0x1f", "0o7", "1_000", "1e5", "-0", "+1.5"),
        *(
            "1979-05-27",
            "07:32:00",
            "1979-05-27T07:32:00Z",
            "1979-05-27 07:32:00.5-07:00",
            "a.b.c = ",
            "b.c = {}\n",
        ),
    ]
)


@settings(max_examples=400)
@given(st.lists(FRAGMENTS, max_size=14).map("".join))
def test_text_that_the_standard_library_reads_is_read_alike(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except ValueError:
        expected = None

    try:
        found: dict[str, Any] | None = read(text)
    except InvalidFile:
        found = None

    if expected is not None:
        assert repr(found) == repr(expected)


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_being_refused(data: bytes) -> None:
    try:
        found: object = read(data)
    except InvalidFile as exc:
        found = str(exc)

    assert isinstance(found, dict) or str(found).startswith("f.toml: line ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = 1\na = 2\n", "line 2: 'a' is there already"),
        ("[a]\n[a]\n", "line 2: 'a' is there already"),
        ("a.b = 1\n[a]\n", "line 2: 'a' is there already"),
        ("[a]\n[[a]]\n", "line 2: 'a' is there already"),
        ("a = [1]\n[[a]]\n", "line 2: 'a' is there already"),
        ("a = {}\n[a.b]\n", "line 2: 'a' is there already, and cannot be added to"),
        ("a = {b = 1}\na.c = 2\n", "line 2: 'a' is there already, and cannot be added to"),
        ("[a.b.c]\n[a]\nb.c.d = 1\n", "line 3: 'c' is there already, and cannot be added to"),
        ("[[a.b]]\n[a]\nb.c = 1\n", "line 3: 'b' is there already, and cannot be added to"),
        ("a = 1 b = 2\n", "line 1: expected the end of the line"),
        ("a = \n", "line 1: expected a value"),
        ("I am no toml\n", "line 1: expected '.' or '=', but got 'a' instead"),
        ("word", "line 1: expected '.' or '='"),
        ("a = yes\n", "line 1: yes is no value"),
        ('a = "b\n', "line 1: the string ends nowhere"),
        ('a = "\\q"\n', "line 1: unknown escape"),
        ('a = "\\ud800"\n', "line 1: d800 is no character"),
        ("a = 01\n", "line 1: 01 is no value"),
        ("a = 1__0\n", "line 1: 1__0 is no value"),
        ("a = 9223372036854775808\n", "line 1: 9223372036854775808 is too large"),
        ("a = 1e999\n", "line 1: 1e999 is too large"),
        ("a = 1979-02-30\n", "line 1: day is out of range"),
        ("a = 24:00:00\n", "line 1: hour must be in 0..23"),
        ("a = 1979-05-27T00:00:00+24:00\n", "line 1: .24:00 is no time zone"),
        ("# \x01\n", "line 1: control character"),
        ("a = 1\rb = 2\n", "line 1: control character"),
        ("a = [1, 2\n", "line 2: expected ,"),
        ("a = [,]\n", "line 1: expected a value"),
        ("= 1\n", "line 1: expected a key"),
        ("[a\n", "line 1: expected ]"),
        ("[ [a]]\n", "line 1: expected a key"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(InvalidFile, match=problem.replace("[", r"\[")):
        read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a = {\n b = 1, # why\n c = 2,\n}\n", {"b": 1, "c": 2}),
        ('a = "\\e\\x41"\n', "\x1bA"),
        ("a = 07:32\n", clock(7, 32)),
        ("a = 1979-05-27 07:32Z\n", datetime(1979, 5, 27, 7, 32, tzinfo=timezone.utc)),  # noqa: UP017 - as read
        ('a = """\r\nb\r\nc"""\r\n', "b\r\nc"),
        ("a = '''''b'''''\n", "''b''"),
        ('a = """b\\\n   c"""\n', "bc"),
    ],
)
def test_toml_1_1_is_read_as_the_go_lifecycle_reads_it(text: str, value: object) -> None:
    """Byte-identity §6, parser differences: buildpacks are written for lifecycles that take this."""
    assert read(text) == {"a": value}


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
def test_a_byte_order_mark_is_passed_over(mark: bytes) -> None:
    assert read(mark + b"a = 1\n") == {"a": 1}


def test_text_that_is_not_utf8_is_refused_even_in_a_comment() -> None:
    with pytest.raises(InvalidFile, match="line 2: not UTF-8"):
        read(b"a = 1\n# \xff\n")


def test_nanoseconds_survive_being_read_and_written() -> None:
    text = "a = 1979-05-27T00:32:00.123456789Z\n"

    assert toml.dumps(read(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * 100_000) + " = 1",
        "[" + ".".join(["a"] * 100_000) + "]",
        "a = " + "[" * 200_000,
        "a = " + "{a=" * 200_000,
        "a = " + "1" * 900_000,
        "a = 0x" + "1" * 900_000,
        'a = "' + '\\"' * 500_000,
        'a = """' + '""x' * 300_000,
        "a = '''" + "''x" * 300_000,
        "a = " + "1_" * 450_000,
        "a = 1" * 200_000,
        "x" * ((1 << 20) + 1),
    ],
    ids=lambda text: text[:12],
)
def test_a_hostile_file_is_refused_at_once(text: str) -> None:
    """S-16 and the hazards of pure Python: no file of 1 MiB may cost minutes or gigabytes."""
    start = time.monotonic()

    with pytest.raises(InvalidFile):
        read(text)

    assert time.monotonic() - start < allowed(2)


def test_dots_and_brackets_inside_texts_and_comments_count_for_nothing() -> None:
    text = f'a = "{"." * 500}{"[" * 500}" # {"[" * 500}\n'

    assert len(read(text)["a"]) == 1000


def test_a_megabyte_of_ordinary_lines_is_read_in_seconds() -> None:
    text = "".join(f'key-{number} = "some value"\n' for number in range(36_000))
    start = time.monotonic()

    document = read(text)

    assert len(document) == 36_000
    assert time.monotonic() - start < allowed(10)


def test_an_error_names_file_key_and_type() -> None:
    """F-28."""
    table = toml.load(b"[[processes]]\n[[processes]]\ncommand = 7\n", file="php/launch.toml")

    with pytest.raises(InvalidFile) as caught:
        table.tables("processes")[1].texts("command")

    assert (
        str(caught.value)
        == "php/launch.toml: processes[1].command: expected an array of strings, found integer 7"
    )


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("a = 1", "text"),
        ("a = true", "text"),
        ("a = 1979-05-27", "text"),
        ("a = 'x'", "flag"),
        ("a = 1", "flag"),
        ("a = true", "integer"),
        ("a = 1.0", "integer"),
        ("a = 'x'", "texts"),
        ("a = ['x', 1]", "texts"),
        ("a = []", "table"),
        ("a = 'x'", "optional_table"),
        ("a = {}", "tables"),
        ("a = [1]", "tables"),
        ("b = 1", "needed"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(text: str, method: str) -> None:
    table = toml.load(text.encode(), file="f.toml")

    with pytest.raises(InvalidFile, match=r"f\.toml: a: expected .*, found "):
        getattr(table, method)("a")


def test_keys_match_whatever_their_case_and_an_exact_match_wins() -> None:
    table = toml.load(b'ID = "one"\nid = "two"\nVersion = "3"\n', file="f.toml")

    assert (table.text("id"), table.text("version"), "VERSION" in table) == ("two", "3", True)


def test_absent_keys_give_their_defaults() -> None:
    table = toml.load(b"", file="f.toml")

    assert (table.text("a"), table.flag("a"), table.integer("a"), table.texts("a")) == ("", False, 0, ())
    assert (table.tables("a"), table.optional_table("a"), table.table("a").raw(), "a" in table) == (
        (),
        None,
        {},
        False,
    )


def test_a_struct_keeps_its_order_and_leaves_out_what_is_none() -> None:
    tree = Struct(z=Struct(y=1), b=None, x=[{"d": 1, "c": None}], a="<&>")

    assert toml.dumps(tree) == 'a = "<&>"\n\n[z]\n  y = 1\n\n[[x]]\n  d = 1\n'


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0, "-0.0"), (-math.inf, "-inf"), (1e6, "1e+06"), (123456.0, "123456.0")]
)
def test_floats_are_written_as_go_does(value: float, text: str) -> None:
    assert toml.dumps({"a": value}) == f"a = {text}\n"


@pytest.mark.parametrize("value", [[1, None], {"b": [None]}, object(), {1, 2}])
def test_what_toml_cannot_say_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError), match="TOML"):
        toml.dumps({"a": value})
