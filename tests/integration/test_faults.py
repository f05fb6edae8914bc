"""What machines and people do to a build under way: signals, kills, buildpacks that fail, several builds at once.

After each: the previous image is the same and runs, nothing is left on the engine or among temporary files, and the
next build succeeds, with the cache as it was and the image that a clean build makes. Reliability: G1, G2, G5, G10,
F-16 to F-21, F-23, F-25, F-27, F-28, F-31. Damaged caches and disks: test_damage.
"""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pybuild.platform import ownership
from support.cli import PATIENCE, Outcome
from support.faults import BUILD, DETECT, Faults, stopped_in
from support.pace import allowed

if TYPE_CHECKING:
    from support.cli import Lab

pytestmark = pytest.mark.docker


@pytest.fixture
def faults(lab: Lab) -> Faults:
    return Faults(lab)


PHASES = ["PREPARING", "ANALYZING", "DETECTING", "RESTORING", "BUILDING", "EXPORTING"]


@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_ends_a_build_within_two_seconds_in_every_phase(faults: Faults, phase: str) -> None:
    """F-20, G1, G2: Ctrl-C, what `kill` sends, and a terminal that is closed."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers[:2] if phase == "EXPORTING" else numbers:
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
    """F-20: as `kill -9` does, so that temporary files may be there until the next build."""
    running = stopped_in(faults, "BUILDING")

    running.process.send_signal(signal.SIGINT)
    outcome = running.stop(signal.SIGINT)

    assert outcome.code == 130
    assert outcome.seconds < allowed(1)
    faults.lab.ended_at_once = True
    faults.check_unharmed()
    faults.check_next_build()


def test_ctrl_c_again_and_again_uses_nothing_up(faults: Faults) -> None:
    """F-21, in small; PYBUILD_TIMES=33 for more."""
    for _ in range(int(os.environ.get("PYBUILD_TIMES", "4"))):
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


@pytest.mark.parametrize("number", [2, 8])
def test_builds_of_one_app_at_once_all_succeed(faults: Faults, number: int) -> None:
    """F-16, G5."""
    with concurrent.futures.ThreadPoolExecutor(number) as pool:
        outcomes = list(pool.map(lambda _: faults.lab.build(*faults.words), range(number)))

    assert [outcome.code for outcome in outcomes] == [0] * number, "\n".join(map(Outcome.text, outcomes))
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
    faults.check_next_build()


def test_a_background_child_of_a_buildpack_does_not_keep_the_build_waiting(faults: Faults) -> None:
    """F-25: it holds standard output open; so does one in a session of its own."""
    bp = faults.lab.buildpack(build=f"sleep 600 & setsid sleep 600 &\n{BUILD}", name="forks")

    outcome = faults.lab.build("--buildpack", bp, name="forks")

    assert outcome.code == 0, outcome.text()
    assert outcome.seconds < allowed(20)


BAD_ENDS = {
    "status": ("exit 1", 51, "1"),
    "signal": ("kill -9 $$", 51, "SIGKILL"),
    "no TOML": ('echo "[[[" > "$1/launch.toml"', 52, "launch.toml"),
    "deep TOML": (
        'while :; do printf "[[[[[[[["; done | head -c 200000 > "$1/launch.toml"',
        52,
        "launch.toml",
    ),
    "FIFO": ('rm "$1/deps.toml"; mkfifo "$1/deps.toml"', 52, "deps.toml"),
    "link": ('rm -r "$1/deps"; ln -s /etc "$1/deps"', 52, "deps"),
    "shouting": ("exec yes shouted", 53, "was stopped"),
    "hanging": ("sleep 600", 9, "the time limit"),
}


@pytest.mark.parametrize(("script", "code", "said"), BAD_ENDS.values(), ids=BAD_ENDS.keys())
def test_a_buildpack_that_fails_after_writing_layers_changes_nothing(
    faults: Faults, script: str, code: int, said: str
) -> None:
    """G1, F-25 to F-28: its half-made layer is never used, and the image of before stands."""
    failing = faults.lab.buildpack(build=f'{BUILD}\necho broken > "$1/deps/data"\n{script}')
    limits = ("--timeout", "8") if code == 9 else ("--log-limit", "1m")

    outcome = faults.lab.build("--buildpack", failing, *limits)

    outcome.failed(code, said)
    faults.check_unharmed()
    faults.lab.buildpack(detect=DETECT, build=BUILD)
    faults.remembered = False
    faults.check_next_build()


@pytest.mark.parametrize("phase", ["ANALYZING", "DETECTING", "RESTORING", "BUILDING", "EXPORTING"])
def test_a_build_container_that_is_killed_is_one_clear_error(faults: Faults, phase: str) -> None:
    """F-19, G1."""
    assert faults.lab.engine is not None
    running = stopped_in(faults, phase)
    if phase == "ANALYZING":
        # Lest it come to its end before the container is killed.
        faults.mark("stop-build")

    faults.lab.engine.kill(build_container(faults), "KILL")
    outcome = running.end()

    if not outcome.code and phase == "EXPORTING":
        # It was faster than we: then it is a good build, and later ones keep its large layer.
        assert faults.lab.build(*faults.words).code == 0
        return
    assert outcome.code != 70, outcome.text()
    # While the engine puts files into it, the engine says in its own words what is gone from under it.
    outcome.failed(
        outcome.code, "the Docker Engine refused writing" if "refused" in outcome.stderr else "container"
    )
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
    """The id of the container that builds the app now; it may be about to start."""
    assert faults.lab.engine is not None
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for item in faults.lab.engine.containers(filters={"label": f"{ownership.KIND}=build"}):
            if item["Labels"].get(ownership.IMAGE, "").startswith(faults.lab.prefix):
                return str(item["Id"])
        time.sleep(0.02)
    raise AssertionError("no build container has come")
