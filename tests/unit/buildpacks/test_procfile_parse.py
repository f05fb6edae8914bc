"""The Procfile's grammar, and which process is the default."""

from __future__ import annotations

import pytest

from procfile.build import default_type
from procfile.parse import Line, parse, repeated
from pybuild.libcnb.problem import Problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web: a b", [("web", "a b")]),
        ("\ufeffweb:a\r\n\n  # note\n\tworker_2-x :  b: c # d\n", [("web", "a"), ("worker_2-x", "b: c # d")]),
        ("web: a\nweb: b", [("web", "b")]),
        ("# only a note\n", []),
    ],
)
def test_lines_are_types_and_commands(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(line.type, line.command) for line in parse(text)] == expected


@pytest.mark.parametrize(
    ("text", "place", "expectation"),
    [
        ("web node", "Procfile:1:5", "a colon"),
        ("\n: x", "Procfile:2:1", "a process type"),
        ("web:", "Procfile:1:5", "a command"),
        ("web:   # later", "Procfile:1:15", "a command"),
        ("../x: y", "Procfile:1:1", "a process type"),
        ("a.b: y", "Procfile:1:2", "a colon"),
        ("web: a\0b", "Procfile:1:7", "NUL"),
    ],
)
def test_a_malformed_line_is_pointed_at(text: str, place: str, expectation: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(text)

    assert place in caught.value.found
    assert expectation in caught.value.found


def test_repeated_types_are_noticed() -> None:
    assert repeated("web: a\nx: b\n# web: c\nweb: d\n") == ("web",)


@pytest.mark.parametrize(
    ("types", "already", "expected"),
    [
        (["worker", "web"], "web", "web"),
        (["worker"], "", "worker"),
        (["worker"], "web", ""),
        (["a", "b"], "", ""),
    ],
)
def test_web_is_the_default_or_the_only_type_if_nothing_else_starts(
    types: list[str], already: str, expected: str
) -> None:
    assert default_type(tuple(Line(type=name, command="x", number=1) for name in types), already) == expected
