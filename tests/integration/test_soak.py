"""`make soak` in small: builds of changing apps, and kills at random moments. Reliability: G1, G2, G10, F-18, F-20, F-31."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from support.soak import grown, soaking

if TYPE_CHECKING:
    from pathlib import Path

    from support.private_engine import PrivateEngine

pytestmark = pytest.mark.docker


def test_builds_and_kills_leave_nothing_and_every_image_is_the_old_or_the_new_one(
    tmp_path: Path, private_engine: PrivateEngine
) -> None:
    """G1, G10, F-18, F-20"""
    seed = random.randrange(1 << 30)
    told: list[str] = [f"--seed {seed}"]

    with soaking(tmp_path, private_engine, seed=seed, versions=2) as soak:
        soak.build(2, told.append)
        soak.kill(8, told.append)
        found = soak.end()

    assert (found.builds, found.kills) == (2, 8), told
    assert grown(found) == [], told
    assert 10_000_000 < found.peak < 120_000_000
