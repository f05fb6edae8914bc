"""The commands that need no engine, and those that have none: exit code, output and errors in one block."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild import __version__
from pybuild.cli.cache import ago, duration
from pybuild.errors import InvalidInput

if TYPE_CHECKING:
    from support.cli import Lab

ROOT = Path(__file__).parents[3]


def test_version_is_printed_alone(words_lab: Lab) -> None:
    assert words_lab.run("version").text() == f"exit 0\n--- stdout\n{__version__}\n"
    assert words_lab.run("--version").text() == f"exit 0\n--- stdout\n{__version__}\n"


def test_without_words_the_help_goes_to_standard_error(words_lab: Lab) -> None:
    outcome = words_lab.run()

    assert outcome.code == 2
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("Usage: pybuild IMAGE [OPTIONS]")


def test_a_mistyped_command_is_not_taken_for_an_image(words_lab: Lab) -> None:
    assert words_lab.run("detekt").text() == (
        "exit 2\n"
        "--- stderr\n"
        "ERROR: there is no command 'detekt'; did you mean: pybuild detect"
        " (an image of that name: pybuild build detekt)\n"
        "  hint: pybuild --help\n"
    )


def test_doctor_tells_what_is_missing_and_that_no_build_can_work(words_lab: Lab) -> None:
    outcome = words_lab.run("doctor")

    assert outcome.code == 1
    assert "engine        fail    there is no Docker Engine at unix:///nope/docker.sock. Try: start it" in (
        outcome.stdout
    )
    assert outcome.stdout.endswith("\nBuilds cannot work here.\n")
    assert outcome.stderr == ""


def test_doctor_as_json_is_pure_and_quiet_shows_failures_only(words_lab: Lab) -> None:
    found = json.loads(words_lab.run("doctor", "--json").stdout)
    quiet = words_lab.run("doctor", "--quiet")

    assert found["ok"] is False
    assert [check["name"] for check in found["checks"] if check["status"] == "fail"] == ["engine"]
    assert [line.split()[0] for line in quiet.stdout.splitlines() if not line.startswith(" ")] == [
        "CHECK",
        "engine",
    ]


@pytest.mark.parametrize("words", [["ls"], ["rm", "x"], ["prune"]])
def test_cache_commands_say_that_there_is_no_engine(words_lab: Lab, words: list[str]) -> None:
    words_lab.run("cache", *words).failed(4, "there is no Docker Engine")


def test_a_duration_that_means_nothing_is_refused(words_lab: Lab) -> None:
    words_lab.run("cache", "prune", "--unused", "soon").failed(3, "'soon'")
    with pytest.raises(InvalidInput):
        duration("-1d")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), ("12h", 43200), ("30d", 2592000), ("0d", 0)]
)
def test_durations_are_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3, "just now"), (61, "1 minute ago"), (7300, "2 hours ago"), (86400 * 3, "3 days ago")],
)
def test_the_last_use_is_told_as_people_tell_it(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_help_loads_neither_the_docker_sdk_nor_the_lifecycle(words_lab: Lab) -> None:
    """`pybuild --help` starts within 0.15 s of Python itself because of it."""
    program = (
        "import sys; from pybuild.cli.main import run; run(['--help']); run(['build', '--help']);"
        "print([name for name in ('docker', 'requests', 'pybuild.lifecycle.create', 'pybuild.platform.build')"
        " if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], env=words_lab.environ, capture_output=True, text=True, check=True
    )

    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals_that_want_them(environ: dict[str, str], coloured: bool) -> None:
    program = (
        "from pybuild import events\n"
        "from pybuild.cli.show.display import Display\n"
        "with Display().console():\n"
        "    events.emit(events.PhaseStarted(phase='BUILDING'))\n"
    )
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm", **environ},
        stderr=theirs,
        check=True,
    )
    os.close(theirs)
    said = os.read(ours, 1000)
    os.close(ours)

    assert b"===> BUILDING" in said
    assert (b"\x1b[" in said) == coloured


def test_the_reference_pages_are_what_the_code_says() -> None:
    """`python scripts/reference.py` writes them."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)

    for name, text in reference.pages().items():
        assert (ROOT / "docs" / "reference" / name).read_text("utf-8") == text, f"{name} is not current"


def test_no_two_kinds_of_errors_share_an_exit_code() -> None:
    """G9: but for those that are a special case of another."""
    import pybuild.errors

    kinds = [
        kind
        for kind in vars(pybuild.errors).values()
        if isinstance(kind, type) and issubclass(kind, pybuild.errors.PybuildError)
    ]
    owners: dict[int, type] = {}
    for kind in kinds:
        if "exit_code" in vars(kind):
            assert owners.setdefault(kind.exit_code, kind) is kind, (
                f"{kind} has the exit code of {owners[kind.exit_code]}"
            )
    assert len(owners) > 20
