"""The Procfile's grammar, and processes that end when they are told to."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from procfile.build import command, default_type
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


@pytest.mark.parametrize(
    "text", ["node server.js", "./run --port $PORT > /tmp/log", 'echo "two words"', "executable"]
)
def test_a_simple_command_replaces_the_shell(text: str) -> None:
    assert command(text) == ("bash", "-c", f"exec {text}")


@pytest.mark.parametrize(
    "text", ["a; b", "a && b", "a | b", "A=1 b", "cd x", "exec a", "if true", "(a)", "echo $(b)"]
)
def test_a_line_that_needs_a_shell_keeps_it(text: str) -> None:
    assert command(text)[-1] == text
    assert command(text)[3] == "procfile"


@pytest.mark.parametrize("text", ["true; exit 7", "bash -c 'exit 7' || exit 7", "A=7; exit $A"])
def test_a_shells_status_is_the_processs(text: str) -> None:
    assert subprocess.run(command(text), check=False).returncode == 7


@pytest.mark.parametrize("text", ["exec sleep 600", "sleep 600; true", "sleep 600 | sleep 600", "sleep 600"])
def test_every_command_ends_on_sigterm(text: str) -> None:
    process = subprocess.Popen(command(text), start_new_session=True)
    time.sleep(0.3)

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=60) in (143, -15)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_handler_in_the_command_has_the_last_word() -> None:
    text = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(command(text), stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)

    assert (said, process.returncode) == (b"bye\n", 3)
