"""The engine itself fails under a build: killed and started again, frozen, its disk full, a cache's disk full.

After each: one clear error, the previous image is the same and runs, the next build succeeds with the image that
a clean build makes, and nothing is left. Reliability: E0, G1, G2, G10, F-01, F-02, F-04, F-05.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from pybuild.platform import extended_images, ownership
from pybuild.stores.daemon import DaemonStore
from support.cli import Lab, builder_of
from support.engine import gnu_files, image_of_files
from support.extensions import RESET, SLOW, WEB, ExtendingLab, dockerfile, when_slow
from support.faults import Faults, stopped_in
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.private_engine import PrivateEngine

pytestmark = pytest.mark.docker

PHASES = ["PREPARING", "ANALYZING", "DETECTING", "RESTORING", "BUILDING", "EXPORTING"]
NAME = "pybuild-test-private"


@pytest.fixture(scope="module")
def private_builder(private_engine: PrivateEngine) -> str:
    """The tiny builder on the private engine; its images go with the engine."""
    base, builder = f"{NAME}/gnu:1", f"{NAME}/builder:1"
    # Not run to their ends: these would remove the images through an engine that was killed since.
    next(image_of_files(private_engine.client, base, gnu_files()))
    return next(builder_of(private_engine.client, base, builder))


@pytest.fixture
def faults(tmp_path: Path, private_engine: PrivateEngine, private_builder: str) -> Iterator[Faults]:
    lab = Lab(
        root=tmp_path,
        engine=private_engine.client,
        prefix=f"{NAME}/{tmp_path.name}".lower(),
        builder=private_builder,
        environ={"DOCKER_HOST": private_engine.host},
    )
    (lab.app / "file.txt").write_text("an app\n")
    yield Faults(lab)
    lab.close()


@pytest.mark.parametrize(
    ("end", "phase"),
    # Stopped, as an update of its package does it, its containers end before it: a build may see that first.
    [("kill", phase) for phase in PHASES]
    + [("stop", phase) for phase in ("DETECTING", "BUILDING", "EXPORTING")],
)
def test_an_engine_that_ends_and_comes_back_harms_nothing(
    faults: Faults, private_engine: PrivateEngine, end: str, phase: str
) -> None:
    """F-01, E0, G1, G10."""
    running = stopped_in(faults, phase)

    getattr(private_engine, end)()
    try:
        outcome = running.end()
    finally:
        private_engine.start()
        faults.lab.engine = private_engine.client

    outcome.failed(4, "Docker Engine")
    assert faults.lab.image_id() == faults.first
    assert faults.lab.output_of() == "data of version 1\nan app\n"
    faults.check_next_build()
    assert faults.lab.leftovers() == [], private_engine.log()[-3000:]


def test_an_engine_that_dies_while_it_extends_an_image_harms_nothing(
    faults: Faults, private_engine: PrivateEngine
) -> None:
    """F-01, E0, G1, G10."""
    lab = faults.lab
    extending = ExtendingLab(lab=lab, store=DaemonStore(private_engine.client))
    usual = dockerfile("run", "RUN echo extended > /x\n" + RESET)
    slow = dockerfile("run", f"RUN echo made > /made\nRUN {SLOW}\n")
    extending.extension("e", usual + when_slow(slow))
    extending.buildpack(WEB % "/x")
    words = extending.words()
    assert lab.run(*words).code == 0
    image = lab.image_id()
    (lab.app / "slow").touch()
    running = lab.start(*words)
    running.wait_for("begun")

    private_engine.kill()
    try:
        outcome = running.end()
    finally:
        private_engine.start()
        lab.engine = private_engine.client

    outcome.failed(4, "Docker Engine")
    assert lab.image_id() == image
    (lab.app / "slow").unlink()
    again = lab.run(*words)
    assert (again.code, lab.image_id(), lab.output_of()) == (0, image, "extended\n"), again.text()
    assert lab.leftovers() == [], private_engine.log()[-3000:]
    # The engine may keep its builder's container, from which it makes an image no more.
    private_engine.client.create_container(
        extending.run_image, "/bin/true", labels={ownership.KIND: "extended"}
    )
    left = extending.running(seconds=0)
    extended_images.sweep(private_engine.client)
    assert extending.running(seconds=0) == left != [], "they ended only now"
    extended_images.sweep(private_engine.client, seconds=0)
    assert extending.running(seconds=0) == []
    assert lab.run(*words).code == 0
    assert lab.image_id() == image


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_ends_a_build_also_when_the_engine_is_frozen(
    faults: Faults, private_engine: PrivateEngine, phase: str
) -> None:
    """F-02, G2: with the engine stopped for good, nothing of it can be removed until it goes on."""
    running = stopped_in(faults, phase)

    private_engine.signal(signal.SIGSTOP)
    try:
        outcome = running.stop(signal.SIGINT)
    finally:
        private_engine.signal(signal.SIGCONT)

    outcome.failed(130, "stopped")
    assert outcome.seconds < allowed(5)
    assert faults.lab.image_id() == faults.first
    faults.check_next_build()
    assert faults.lab.leftovers() == [], private_engine.log()[-3000:]


def test_a_frozen_engine_that_goes_on_costs_only_time(faults: Faults, private_engine: PrivateEngine) -> None:
    """F-02."""
    running = stopped_in(faults, "BUILDING")

    private_engine.signal(signal.SIGSTOP)
    faults.mark("building", there=False)
    threading.Timer(3, private_engine.signal, [signal.SIGCONT]).start()
    outcome = running.end()

    assert outcome.code == 0, outcome.text()
    faults.check_next_build()
    assert faults.lab.leftovers() == [], private_engine.log()[-3000:]


@pytest.mark.parametrize(
    ("left", "code", "told"),
    [(150 << 20, 51, "bin/build of acme/bp@1 failed"), (300 << 20, 8, "no space left on its disk")],
    ids=["in-build", "in-export"],
)
def test_an_engine_without_space_is_one_clear_error(
    faults: Faults, private_engine: PrivateEngine, left: int, code: int, told: str
) -> None:
    """F-04, E0, G1: a layer of 200 MB needs that in the cache's volume, and once more in the image."""
    faults.mark("big")
    faults.forget()

    with private_engine.filled(but=left):
        outcome = faults.start().end()
        faults.check_unharmed()

    outcome.failed(code, told)
    assert "o space left on" in outcome.stderr
    faults.check_next_build()
    assert faults.lab.leftovers() == [], private_engine.log()[-3000:]


def test_a_full_cache_volume_is_one_clear_error(faults: Faults, private_engine: PrivateEngine) -> None:
    """F-05, E0, G1, G4: the volume has a disk of its own, of 20 MB."""
    faults.mark("big")
    faults.remembered = False
    (cache,) = faults.lab.caches()

    with private_engine.small_disk(private_engine.data / "volumes" / cache / "_data", size="20m"):
        outcome = faults.start().end()
        faults.check_unharmed()

    outcome.failed(51, "bin/build of acme/bp@1 failed")
    assert "o space left on" in outcome.stderr
    faults.check_next_build()
    assert faults.lab.leftovers() == [], private_engine.log()[-3000:]
