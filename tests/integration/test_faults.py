"""What machines and people do to a build under way: signals, kills, full disks, damaged caches, two builds at once.

After each: the previous image is the same and runs, nothing is left on the engine, and the next build succeeds
with the image that a clean build makes. Reliability: G1, G2, G4, G5, G10, F-05, F-06, F-16, F-18, F-20, F-22,
F-23, F-25, F-31, S-26.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import DiskFull
from support.faults import BUILD, DETECT, Faults, stopped_in
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cli import Lab

pytestmark = pytest.mark.docker


@pytest.fixture
def faults(lab: Lab) -> Faults:
    return Faults(lab)


PHASES = ["PREPARING", "ANALYZING", "DETECTING", "RESTORING", "BUILDING", "EXPORTING"]


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        *((phase, signal.SIGINT) for phase in PHASES),
        ("BUILDING", signal.SIGTERM),
        ("EXPORTING", signal.SIGTERM),
    ],
)
def test_a_signal_ends_a_build_within_two_seconds_in_every_phase(
    faults: Faults, phase: str, number: signal.Signals
) -> None:
    """F-20, G1, G2."""
    outcome = stopped_in(faults, phase).stop(number)

    outcome.failed(128 + number, "stopped")
    assert outcome.seconds < allowed(2)
    faults.check_unharmed()
    faults.check_next_build()


@pytest.mark.parametrize("phase", PHASES)
def test_kill_9_in_any_phase_leaves_nothing_that_outlives_it(faults: Faults, phase: str) -> None:
    """F-18, F-31, G1, G10: the container ends with the process that drives it."""
    outcome = stopped_in(faults, phase).stop(signal.SIGKILL)

    assert outcome.code == -signal.SIGKILL
    faults.check_unharmed()
    faults.check_next_build()


def test_a_second_ctrl_c_ends_at_once(faults: Faults) -> None:
    """F-20."""
    running = stopped_in(faults, "BUILDING")

    running.process.send_signal(signal.SIGINT)
    outcome = running.stop(signal.SIGINT)

    assert outcome.code == 130
    assert outcome.seconds < allowed(1)
    faults.check_unharmed()
    faults.check_next_build()


def test_a_hang_up_ends_a_build_like_ctrl_c(faults: Faults) -> None:
    """F-20."""
    outcome = stopped_in(faults, "BUILDING").stop(signal.SIGHUP)

    outcome.failed(129, "stopped")
    faults.check_unharmed()


def test_ctrl_c_again_and_again_uses_nothing_up(faults: Faults) -> None:
    """F-21, in small; PYBUILD_TIMES=33 for more."""
    for _ in range(int(os.environ.get("PYBUILD_TIMES", "4"))):
        faults.mark("building", there=False)
        assert stopped_in(faults, "BUILDING").stop(signal.SIGINT).code == 130

    faults.check_unharmed()
    faults.check_next_build()


def test_a_build_goes_on_when_nobody_reads_what_it_writes(faults: Faults) -> None:
    """F-20: `pybuild … 2>&1 | head -1`."""
    from support.cli import PROGRAM

    words = " ".join(f"'{word}'" for word in faults.lab.build_words(*faults.words))
    (faults.lab.app / "file.txt").write_text("read by nobody\n")
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; '{sys.executable}' -c \"{PROGRAM}\" {words} 2>&1 | head -1"],
        cwd=faults.lab.app,
        env=faults.lab.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 1
    assert faults.lab.output_of() == "data of version 1\nread by nobody\n"


def test_two_builds_of_one_app_at_once_both_succeed(faults: Faults) -> None:
    """F-16, G5."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        ended = [pool.submit(faults.lab.build, *faults.words) for _ in range(3)]
        outcomes = [each.result() for each in ended]

    assert [outcome.code for outcome in outcomes] == [0, 0, 0], "\n".join(each.text() for each in outcomes)
    faults.check_unharmed()
    faults.check_next_build()


def test_a_build_waits_for_another_one_of_the_same_app_and_says_so(faults: Faults) -> None:
    """F-16, G5: and goes on as soon as that one is killed."""
    first = stopped_in(faults, "BUILDING")
    faults.mark("stop-build", there=False)

    second = faults.start()
    second.wait_for("Waiting for another build")
    first.stop(signal.SIGKILL)

    assert second.end().code == 0
    faults.check_unharmed()


def test_a_background_child_of_a_buildpack_does_not_keep_the_build_waiting(faults: Faults) -> None:
    """F-25: it holds standard output open; so does one in a session of its own."""
    bp = faults.lab.buildpack(build=f"sleep 600 & setsid sleep 600 &\n{BUILD}", name="forks")

    outcome = faults.lab.build("--buildpack", bp, name="forks")

    assert outcome.code == 0, outcome.text()
    assert outcome.seconds < allowed(20)


def test_a_buildpack_that_fails_after_writing_layers_changes_nothing(faults: Faults) -> None:
    """G1: its half-made layer is never used."""
    failing = faults.lab.buildpack(build=f'{BUILD}\necho broken > "$1/deps/data"; exit 1')
    assert faults.lab.build("--buildpack", failing).code == 51

    faults.check_unharmed()
    faults.lab.buildpack(detect=DETECT, build=BUILD)
    faults.check_next_build()


@pytest.mark.parametrize("phase", ["DETECTING", "BUILDING", "EXPORTING"])
def test_a_build_container_that_is_killed_is_one_clear_error(faults: Faults, phase: str) -> None:
    """F-19, G1."""
    assert faults.lab.engine is not None
    running = stopped_in(faults, phase)

    faults.lab.engine.remove_container(build_container(faults), force=True)
    outcome = running.end()

    if not outcome.code and phase == "EXPORTING":
        # It was faster than we: then it is a good build, and later ones keep its large layer.
        assert faults.lab.build(*faults.words).code == 0
        return
    assert outcome.code != 70, outcome.text()
    outcome.failed(outcome.code, "container")
    faults.check_unharmed()
    faults.check_next_build()


def test_a_previous_image_that_vanishes_costs_only_its_reuse(faults: Faults) -> None:
    """F-23: removed while the next build runs."""
    assert faults.lab.engine is not None
    faults.mark("stop-build")
    running = faults.start()
    running.wait_for_file(faults.lab.marks / "building")

    faults.lab.engine.remove_image(faults.lab.name(), force=True)
    faults.mark("stop-build", there=False)
    faults.mark("building", there=False)

    assert running.end().code == 0, running.stderr
    faults.check_unharmed()


def build_container(faults: Faults) -> str:
    """The id of the container that builds the app now."""
    assert faults.lab.engine is not None
    containers = faults.lab.engine.containers(filters={"label": "io.pybuild.kind=build"})
    (ours,) = [
        str(item["Id"])
        for item in containers
        if item["Labels"].get("io.pybuild.image", "").startswith(faults.lab.prefix)
    ]
    return ours
