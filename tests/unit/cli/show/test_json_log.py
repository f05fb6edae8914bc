"""Events for programs: one object a line, without secrets, whatever buildpacks write."""

from __future__ import annotations

import io
import json
import typing
from typing import TYPE_CHECKING, Any

import pytest

from pybuild import events
from pybuild.cli.show.json_log import JsonLog, event_name

if TYPE_CHECKING:
    from support.cli import Lab


def written(*shown: events.Event, end: bool = True) -> list[dict[str, Any]]:
    stream = io.BytesIO()
    log = JsonLog(stream=stream, clock=lambda: 0.25)
    for event in shown:
        log(event)
    if end:
        log.flush()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_with_its_time_and_kind() -> None:
    (line,) = written(events.PhaseStarted(phase="BUILDING"))

    assert line == {"time": "1970-01-01T00:00:00.250Z", "event": "phase-started", "phase": "BUILDING"}


def test_what_buildpacks_write_comes_line_by_line() -> None:
    pieces = [b"one\r\ntw", b"o\n", b"\xff\n", b"unended"]

    lines = written(*(events.Output(source="a/b", data=piece) for piece in pieces))

    assert [line["text"] for line in lines] == ["one", "two", "\ufffd", "unended"]
    assert {(line["event"], line["source"]) for line in lines} == {("output", "a/b")}


def test_lines_of_two_buildpacks_do_not_mix() -> None:
    lines = written(
        events.Output(source="a", data=b"1"), events.Output(source="b", data=b"2\n"), events.Info("x")
    )

    assert [(line.get("source"), line["text"]) for line in lines] == [("b", "2"), (None, "x"), ("a", "1")]


def test_a_line_without_an_end_is_written_in_time() -> None:
    lines = written(events.Output(source="a", data=bytes(200_000)), end=False)

    assert [len(line["text"]) for line in lines] == [200_000]


def test_a_secret_is_hidden_though_json_would_escape_it() -> None:
    events.hide('qu"ote\\secret')

    lines = written(
        events.Output(source="a", data=b'pw: qu"ote\\secret\n'),
        events.ImageWritten(names=('qu"ote\\secret',), image_id="", changed=True),
    )

    assert lines[0]["text"] == "pw: ***"
    assert lines[1]["names"] == ["***"]


def test_every_kind_of_event_has_a_name_of_its_own() -> None:
    names = [event_name(kind) for kind in typing.get_args(events.Event)]

    assert len(set(names)) == len(names)
    assert "layer-decided" in names


def test_times_of_phases_add_up() -> None:
    log = JsonLog(stream=io.BytesIO())
    for _ in range(2):
        log(events.PhaseFinished(phase="BUILDING", seconds=1.5))

    assert log.timings == {"BUILDING": 3.0}


def test_an_error_is_the_last_event_and_nothing_else_is_written(words_lab: Lab) -> None:
    outcome = words_lab.run("build", "acme/app", "--log-format", "json", "--label", "nonsense")

    assert outcome.code == 3
    assert outcome.stdout == ""
    (line,) = outcome.stderr.splitlines()
    found = json.loads(line)
    assert (found["event"], found["exit_code"], found["hint"]) == ("failed", 3, "--label version=1.2")
    assert found["message"] == "--label 'nonsense' is not NAME=VALUE"


@pytest.mark.docker
def test_a_whole_build_is_told_in_json(lab: Lab) -> None:
    outcome = lab.build(
        "--buildpack", lab.buildpack(build="echo hello; exit 3"), "--log-format", "json", "--json"
    )

    lines = [json.loads(line) for line in outcome.stderr.splitlines()]
    assert outcome.code == 51
    assert [line["phase"] for line in lines if line["event"] == "phase-started"] == [
        *("ANALYZING", "DETECTING", "RESTORING", "BUILDING"),
    ]
    assert {"source": "acme/bp", "text": "hello"}.items() <= lines[-2].items()
    assert (lines[-1]["event"], lines[-1]["exit_code"]) == ("failed", 51)
