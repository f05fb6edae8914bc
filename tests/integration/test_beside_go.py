"""Random builds, done by the Go lifecycle's programs and by ours: every file, exit code and image must be the same.

`CNB_LIFECYCLE_DIR`: a folder with the Go lifecycle's `lifecycle`. `PYBUILD_DIFFERENTIAL_SECONDS`: for how long to try
(40 with the same builds each time; with the variable set, other builds each time).
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, seed, settings

from pybuild.lifecycle.inputs import INPUTS, PHASES
from pybuild.spec.api import PLATFORM_APIS
from support import beside_go
from support.random_builds import Build, builds

if TYPE_CHECKING:
    from pybuild.lifecycle.inputs import PhaseName
    from support.beside_go import Done
    from support.registry import Registry

PEER = Path(os.environ.get("CNB_LIFECYCLE_DIR", "/no/such")) / "lifecycle"
SECONDS = int(os.environ.get("PYBUILD_DIFFERENTIAL_SECONDS") or 40)
BATCH = 10
LONGER = "PYBUILD_DIFFERENTIAL_SECONDS" in os.environ

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER.is_file(), reason="CNB_LIFECYCLE_DIR names no folder with a lifecycle"),
]


@pytest.mark.timeout(SECONDS + 200)
def test_the_go_lifecycle_and_ours_leave_the_same(root_folder: Path, registry: Registry) -> None:
    """GEN-02, GEN-17: files between phases, layers, cache and image, with previous image and cache in a second round."""
    beside_go.install(root_folder, PEER)
    end = time.monotonic() + SECONDS
    tried = 0

    @settings(
        max_examples=BATCH, deadline=None, derandomize=False, database=None, suppress_health_check=list(HealthCheck)
    )  # fmt: skip
    @given(builds())
    def same(build: Build) -> None:
        nonlocal tried
        if time.monotonic() > end:
            return
        tried += 1
        go = beside_go.by_go(root_folder, registry, build)
        us = beside_go.by_us(root_folder, registry, build)
        for theirs, ours in zip(go, us, strict=False):
            _compare(theirs, ours)
        assert len(go) == len(us)

    for batch in itertools.count(time.time_ns() if LONGER else 0):
        if time.monotonic() > end:
            break
        seed(batch)(same)()
    assert tried > 2


def _compare(go: Done, us: Done) -> None:
    said = f"\n--- Go\n{go.said}\n--- ours\n{us.said}"
    assert us.phase == go.phase
    assert us.exit_code == go.exit_code, f"{go.phase}{said}"
    if go.exit_code:
        return
    assert us.tree == go.tree, f"{go.phase}{said}"
    assert us.files == go.files, f"{go.phase}{said}"
    assert us.cache == go.cache, f"{go.phase}{said}"
    assert us.image == go.image, f"{go.phase}{said}"


@pytest.mark.parametrize("name", PHASES)
def test_each_phase_knows_the_flags_that_the_go_lifecycle_knows(name: PhaseName, tmp_path: Path) -> None:
    """GEN-02: in every Platform API those, and no others."""
    program = tmp_path / name
    program.symlink_to(PEER)

    for api in PLATFORM_APIS:
        ended = subprocess.run(
            [program, "-h"], env={"CNB_PLATFORM_API": str(api)}, capture_output=True, check=False
        )
        theirs = set(re.findall(r"^  -([\w-]+)", (ended.stdout + ended.stderr).decode(), re.MULTILINE))
        assert {each.flag for each in INPUTS if each.flag and each.known(name, api)} == theirs, str(api)
