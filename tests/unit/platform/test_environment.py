"""Build-time variables: T1-06, T1-07, T1-45, S-04 to S-06."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.errors import InvalidFile, InvalidInput
from pybuild.libcnb import fetch, resolved
from pybuild.platform.environment import (
    LOCKED,
    OFFLINE,
    proxy_environ,
    read_env_file,
    user_environ,
    with_options,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_the_command_line_beats_files_and_files_beat_project_toml(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=file\nB=file\n")

    found = user_environ(
        project={"A": "project", "B": "project", "C": "project"},
        files=[tmp_path / "env"],
        words=["A=word=with=equals"],
        caller={},
    )

    assert found == {"A": "word=with=equals", "B": "file", "C": "project"}


def test_a_name_alone_takes_the_callers_value() -> None:
    warnings: list[object] = []
    with events.listening(warnings.append):
        found = user_environ(project={}, files=[], words=["HOME", "NOPE"], caller={"HOME": "/h"})

    assert found == {"HOME": "/h", "NOPE": ""}
    assert [event.text for event in warnings if isinstance(event, events.Warned)] == [
        "the variable NOPE is not set here, so it is empty in the build"
    ]


def test_an_env_file_knows_comments_quotes_and_export(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(
        "\ufeff# a comment\n\n"
        "PLAIN = some words # kept\n"
        "export EXPORTED=1\n"
        "SINGLE='a $b \\n' # gone\n"
        'DOUBLE="line\\nnext \\"q\\" \\$x \\z"\n'
        "EMPTY=\r\n"
        "CALLED\n",
        encoding="utf-8",
    )

    assert read_env_file(file, {"CALLED": "c"}) == {
        "PLAIN": "some words # kept",
        "EXPORTED": "1",
        "SINGLE": "a $b \\n",
        "DOUBLE": 'line\nnext "q" $x \\z',
        "EMPTY": "",
        "CALLED": "c",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'A="open', "line 1: expected a value that ends with"),
        (b"\nA='open", "line 2: expected a value that ends with"),
        (b"A B=1", "line 1"),
        (b"=1", "line 1"),
        (b"CNB_APP_DIR=/x", "line 1: the variable CNB_APP_DIR belongs to the platform"),
        (b"A=\xff", "not UTF-8"),
        (b"x" * ((1 << 20) + 1), "larger than"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "env"
    file.write_bytes(content)

    with pytest.raises(InvalidFile, match=message) as caught:
        read_env_file(file, {})

    assert str(file) in str(caught.value)


@pytest.mark.parametrize("word", ["../../../workspace/x=v", "sp ace=1", "=1", "A\n=1", "A\0B=1", "A=\0"])
def test_a_name_or_value_that_is_none_is_refused_before_anything_starts(word: str) -> None:
    """S-04, S-05."""
    with pytest.raises(InvalidInput):
        user_environ(project={}, files=[], words=[word], caller={})


@pytest.mark.parametrize("name", ["CNB_STACK_ID", "cnb_platform_api", "CNB_"])
def test_the_platforms_own_variables_cannot_be_set(name: str) -> None:
    """S-06."""
    with pytest.raises(InvalidInput, match=f"{name} belongs to the platform"):
        user_environ(project={name: "x"}, files=[], words=[], caller={})


def test_path_and_preload_are_the_users_business() -> None:
    """S-06: what the specification lets a user set, he may set."""
    words = ["PATH=/x", "LD_PRELOAD=/y"]

    assert user_environ(project={}, files=[], words=words, caller={}) == {"PATH": "/x", "LD_PRELOAD": "/y"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="no such: cannot be read"):
        read_env_file(tmp_path / "no such", {})


def test_proxies_are_passed_in_both_spellings() -> None:
    """T1-45."""
    found = proxy_environ(
        {"http_proxy": "http://p:1", "HTTPS_PROXY": "http://q:2", "https_proxy": "http://r", "X": "y"}
    )

    assert found == {
        "HTTP_PROXY": "http://p:1",
        "http_proxy": "http://p:1",
        "HTTPS_PROXY": "http://q:2",
        "https_proxy": "http://q:2",
    }


@pytest.mark.parametrize(
    ("asked", "network", "expected"),
    [
        ({}, "none", {"BP_OFFLINE": "true"}),
        ({"BP_OFFLINE": "false", "A": "b"}, "none", {"BP_OFFLINE": "false", "A": "b"}),
        ({"A": "b"}, "host", {"A": "b"}),
        ({}, "", {}),
    ],
)
def test_a_build_without_a_network_tells_buildpacks_so(
    asked: dict[str, str], network: str, expected: dict[str, str]
) -> None:
    assert with_options(asked, locked=False, network=network) == expected
    assert with_options(asked, locked=True, network=network) == {**expected, "BP_LOCKED": "true"}


def test_buildpacks_know_the_variable_that_locks_them() -> None:
    assert LOCKED == resolved.LOCKED


def test_buildpacks_know_the_variable_that_says_there_is_no_network() -> None:
    assert OFFLINE == fetch.OFFLINE
