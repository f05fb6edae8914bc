"""Every sample does what its own expect.toml says, with the real command, a real engine and Debian's archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.expectation import Expectation
from support.sample import SAMPLES, check

if TYPE_CHECKING:
    from pathlib import Path

    import docker

NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/expect.toml"))


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(900)  # the first one may have to make the default builder and the database's image
@pytest.mark.parametrize("name", NAMES)
def test_a_sample_builds_runs_rebuilds_and_changes_as_it_says(
    name: str, engine: docker.APIClient, test_run: str, tmp_path: Path
) -> None:
    expected = Expectation.read(SAMPLES / name / "expect.toml")

    check(SAMPLES / name, expected, engine, prefix=f"{test_run}-{name}", scratch=tmp_path)
