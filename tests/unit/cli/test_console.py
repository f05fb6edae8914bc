"""What reaches a person's terminal."""

from __future__ import annotations

import io

import pytest

from pybuild.cli.console import Console, printable
from pybuild.events import Output


def shown(data: bytes, *, terminal: bool, colour: bool = True) -> bytes:
    stream = io.BytesIO()
    Console(stream=stream, terminal=terminal, colour=colour)(Output(source="acme/tool", data=data))
    return stream.getvalue()


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(b"\x1b[2J", id="clears the screen"),
        pytest.param(b"\x1b[1A\x1b[2K", id="goes up and erases a line"),
        pytest.param(b"\x1b]0;owned\x07", id="sets the title"),
        pytest.param(b"\x1b]52;c;b3duZWQ=\x1b\\", id="writes to the clipboard"),
        pytest.param(b"\x07\x08\x0e", id="rings, goes back, shifts"),
        pytest.param(b"\x1bc", id="resets the terminal"),
    ],
)
def test_a_buildpack_cannot_steer_the_terminal(hostile: bytes) -> None:
    """S-38"""
    assert shown(b"before" + hostile + b"after\n", terminal=True) == b"beforeafter\n"


def test_colours_and_tabs_of_a_buildpack_are_kept() -> None:
    """S-38"""
    text = b"\x1b[1;31mred\x1b[0m\tplain\n"

    assert shown(text, terminal=True) == text


def test_where_there_is_no_terminal_bytes_pass_as_they_came() -> None:
    text = b"\xff\xfe \x1b[2J \x00 end\n"

    assert shown(text, terminal=False) == text


def test_names_from_outside_are_shown_with_escapes() -> None:
    """S-10"""
    assert printable("a\x1b[2J\udcff") == "a\\x1b[2J\\udcff"
