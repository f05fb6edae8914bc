"""What a person sees of events, on a terminal and elsewhere."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field

import pytest

from pybuild import events
from pybuild.cli.show.console import Console, human_size, human_time, printable
from pybuild.events import (
    Detail,
    ImageWritten,
    Info,
    LayerDecided,
    Output,
    PhaseFinished,
    PhaseStarted,
    Progress,
    Warned,
)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Shown:
    """A console that writes into memory."""

    stream: io.BytesIO = field(default_factory=io.BytesIO)
    clock: Clock = field(default_factory=Clock)

    def __call__(self, *happened: events.Event, **options: bool | int) -> str:
        console = Console(stream=self.stream, clock=self.clock, **options)  # type: ignore[arg-type]
        for event in happened:
            if isinstance(event, Progress):
                self.clock.now += 20
            console(event)
        console.flush()
        return self.stream.getvalue().decode("utf-8", "surrogateescape")


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_phases_are_headings_and_their_times_are_kept(shown: Shown) -> None:
    assert shown(PhaseStarted(phase="BUILDING"), PhaseFinished(phase="BUILDING", seconds=1.25)) == (
        "===> BUILDING\n"
    )


def test_verbose_shows_details_reasons_and_times(shown: Shown) -> None:
    layer = LayerDecided(action="reused", owner="a/b", layer="x", reason="nothing changed", size=1500)
    finished = PhaseFinished(phase="BUILDING", seconds=1.25)

    assert shown(Detail("why"), layer, finished, verbosity=1) == (
        "why\nReusing layer 'a/b:x' (1.5 kB): nothing changed\nBUILDING took 1.2 s\n"
    )


def test_quiet_shows_warnings_only_with_their_hint(shown: Shown) -> None:
    happened = (Info("a"), Output(source="x", data=b"b\n"), Warned("c", "d"), PhaseStarted(phase="BUILDING"))

    assert shown(*happened, verbosity=-1) == "Warning: c\n  hint: d\n"


def test_brief_shows_what_comes_before_the_phases_and_warnings_in_them(shown: Shown) -> None:
    happened = (Info("making"), PhaseStarted(phase="DETECTING"), Info("fail: x"), Warned("careful"))

    assert shown(*happened, brief=True) == "making\nWarning: careful\n"


def test_an_unchanged_image_is_told_as_such(shown: Shown) -> None:
    written = ImageWritten(names=("app:latest",), image_id="sha256:" + "a" * 64, changed=False)

    assert shown(written) == "*** Images (aaaaaaaaaaaa, unchanged):\n      app:latest\n"


def test_a_terminal_gets_colours_and_others_none(shown: Shown) -> None:
    coloured = Shown()

    assert shown(PhaseStarted(phase="BUILDING")) == "===> BUILDING\n"
    assert coloured(PhaseStarted(phase="BUILDING"), colour=True, terminal=True) == (
        "\x1b[36m===> BUILDING\x1b[0m\n"
    )


def test_on_a_terminal_buildpacks_keep_their_colours_and_lose_the_rest(shown: Shown) -> None:
    """S-38: neither the title nor the screen nor the cursor is theirs."""
    data = b"\x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07\x1b[1;1Hx\x00y\r\n"

    assert shown(Output(source="b", data=data), terminal=True, colour=True) == "\x1b[31mred\x1b[0m xy\r\n"


def test_elsewhere_the_bytes_of_buildpacks_pass_as_they_came(shown: Shown) -> None:
    """F-26."""
    data = b"\xff\x00\x1b[2J\n"
    console = Console(stream=shown.stream)

    console(Output(source="b", data=data))

    assert shown.stream.getvalue() == data


def test_names_from_outside_are_escaped_in_our_own_lines(shown: Shown) -> None:
    assert shown(Info("a\x1b[2Jb\rc")) == "a\\x1b[2Jb\\x0dc\n"
    assert printable(b"\xff".decode("utf-8", "surrogateescape")) == "\\udcff"


def test_output_without_a_newline_is_ended_before_our_next_line(shown: Shown) -> None:
    assert shown(Output(source="b", data=b"half"), Info("next")) == "half\nnext\n"


def test_every_line_has_its_time_if_asked_for(shown: Shown) -> None:
    text = shown(
        Info("one\ntwo"),
        Output(source="b", data=b"th"),
        Output(source="b", data=b"ree\nfour\n"),
        timestamps=True,
    )

    assert [re.sub(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} ", "T ", line) for line in text.splitlines()] == [
        "T one",
        "T two",
        "T three",
        "T four",
    ]


def test_a_secret_is_hidden_also_when_it_comes_in_two_pieces(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-45."""
    monkeypatch.setattr(events._AUDIENCE, "secrets", {"hunter2222"})

    text = shown(
        Output(source="b", data=b"it is hunt"), Output(source="b", data=b"er2222\n"), Info("hunter2222")
    )

    assert text == "it is ***\n***\n"


def test_progress_is_one_live_line_on_a_terminal_that_goes_away(shown: Shown) -> None:
    steps = Progress(label="Pulling x", done=1_000_000, total=4_000_000), Progress(label="Pulling x", done=-1)

    assert shown(*steps, Info("done"), terminal=True) == ("\r\x1b[KPulling x  1.0 MB of 4.0 MB\r\x1b[Kdone\n")


def test_a_live_line_is_no_wider_than_the_terminal(shown: Shown) -> None:
    text = shown(Progress(label="x" * 100, done=1), terminal=True, width=40)

    assert text.startswith("\r\x1b[K" + "x" * 38 + "\r")


def test_elsewhere_only_long_steps_are_reminded_of(shown: Shown) -> None:
    steps = [Progress(label="Files", done=number, total=9, unit="files") for number in (1, 2, 3)]

    assert shown(*steps) == "Files  2 of 9 files\nFiles  3 of 9 files\n"


def test_a_reader_that_is_gone_does_not_stop_the_work() -> None:
    """F-20: SIGPIPE."""

    class Gone(io.BytesIO):
        def write(self, data: object) -> int:  # noqa: ARG002 - the signature of files
            raise BrokenPipeError

    console = Console(stream=Gone())

    console(Info("a"))
    console(Info("b"))

    assert console.verbosity == -2


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (2_500_000_000, "2.5 GB")],
)
def test_sizes_read_like_people_write_them(size: int, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (42, "42 s"), (125, "2 min 05 s")]
)
def test_times_read_like_people_write_them(seconds: float, text: str) -> None:
    assert human_time(seconds) == text


def test_quiet_output_is_shown_after_all_when_the_build_fails() -> None:
    stream = io.BytesIO()
    console = Console(stream=stream, verbosity=-1)
    console(Output(source="a/b", data=b"early\n" * 5000))
    console(Output(source="a/b", data=b"the reason\n"))

    assert stream.getvalue() == b""
    console.tell_failure()
    console.flush()

    assert stream.getvalue().endswith(b"early\nthe reason\n")
    assert len(stream.getvalue()) <= 8 << 10
