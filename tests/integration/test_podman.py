"""Podman instead of Docker: its service answers as an engine, and a build and its faults come to the same.

What differs: docs/reference/engines.md. Reliability: E0, G1, G2, G4, G5, G10.
"""

from __future__ import annotations

import concurrent.futures
import signal
from typing import TYPE_CHECKING

import pytest

from support.cli import Lab, builder_of, result
from support.engine import gnu_files, image_of_files
from support.faults import Faults, stopped_in
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.podman import Podman

NAME = "localhost/pybuild-test-podman"
PHASES = ["PREPARING", "ANALYZING", "DETECTING", "RESTORING", "BUILDING", "EXPORTING"]


@pytest.fixture(scope="module")
def podmans_builder(podman: Podman) -> str:
    """The tiny builder; its images go with the service."""
    next(image_of_files(podman.client, f"{NAME}/gnu:1", gnu_files()))
    return next(builder_of(podman.client, f"{NAME}/gnu:1", f"{NAME}/builder:1"))


@pytest.fixture
def faults(tmp_path: Path, podman: Podman, podmans_builder: str) -> Iterator[Faults]:
    lab = Lab(
        root=tmp_path,
        engine=podman.client,
        prefix=f"{NAME}/{tmp_path.name}".lower(),
        builder=podmans_builder,
        environ={"DOCKER_HOST": podman.host},
    )
    (lab.app / "file.txt").write_text("an app\n")
    yield Faults(lab)
    lab.close()


def test_a_build_runs_and_one_of_the_same_again_makes_nothing(faults: Faults) -> None:
    assert faults.lab.output_of() == "data of version 1\nan app\n"

    again = faults.lab.build(*faults.words, "--json")

    assert "layer: kept" in again.stderr
    assert (result(again)["image_id"], result(again)["changed"]) == (faults.first, False)
    faults.check_unharmed()
    faults.check_next_build()


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_and_kill_9_in_any_phase_leave_nothing(faults: Faults, phase: str) -> None:
    """F-18, F-20, G1, G2, G10."""
    outcome = stopped_in(faults, phase).stop(signal.SIGINT)

    outcome.failed(130, "stopped")
    # Docker does it in two; Podman takes its time to say that a container is gone.
    assert outcome.seconds < allowed(4)
    faults.check_unharmed()

    assert stopped_in(faults, phase).stop(signal.SIGKILL).code == -signal.SIGKILL
    faults.check_unharmed()
    faults.check_next_build()


def test_two_builds_of_one_app_at_once_both_succeed(faults: Faults) -> None:
    """F-16, G5: also where a name that is taken is refused in other words."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(lambda _: faults.lab.build(*faults.words), range(2)))

    assert [outcome.code for outcome in outcomes] == [0, 0], "\n".join(each.text() for each in outcomes)
    faults.check_unharmed()
