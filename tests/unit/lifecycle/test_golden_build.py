"""The recorded builds: exit codes, metadata.toml byte for byte, SBOMs and renamed layers, and errors that name their cause."""

from __future__ import annotations

from typing import Any

import pytest

from support import golden, phase
from support.build_cases import layers_after, seen

pytestmark = pytest.mark.golden

PANIC = 2
BUILD_ERROR = 52


@pytest.mark.parametrize("case", golden.cases("build"))
def test_a_build_ends_and_leaves_behind_what_was_recorded(case: dict[str, Any]) -> None:
    """BUI-01, BUI-03 to BUI-05, BUI-07, BUI-08, BUI-10 to BUI-13, BLT-01, BLT-03, LNT-01, LNT-04, LNT-06, LYT-01, STT-01, GO-08 to GO-10, GO-70."""
    if why := phase.can_run(case):
        pytest.skip(why)
    expect = case["expect"]
    with phase.tree(case) as root:
        outcome = phase.replay(case, root)

        if expect.get("go_panics"):
            assert outcome.exit_code == BUILD_ERROR
            assert "no command" in outcome.output
            return
        assert outcome.exit_code == expect["exit_code"], outcome.output
        metadata = root / "layers" / "config" / "metadata.toml"
        written = phase.emptied(metadata.read_text("utf-8"), root) if metadata.exists() else None
        assert written == expect["metadata_toml"]
        assert layers_after(case, root) == expect["layers_after"]
        if "seen" in expect:
            assert seen(case, root) == expect["seen"]
        for word in _words(expect["error"] or ""):
            assert word in outcome.output


def _words(error: str) -> list[str]:
    """What our words for an error must have in common with the recorded ones: places and names."""
    return [word.rstrip(":") for word in error.replace("'", " ").split() if "@" in word]
