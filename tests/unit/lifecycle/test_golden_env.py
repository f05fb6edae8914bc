"""The recorded environments of bin/build: every variable, argument and plan that each buildpack saw."""

from __future__ import annotations

from typing import Any

import pytest

from support import golden, phase
from support.build_cases import seen

pytestmark = pytest.mark.golden


@pytest.mark.parametrize("case", golden.cases("env"))
def test_every_buildpack_sees_the_recorded_environment(case: dict[str, Any]) -> None:
    """GEN-19, ENV-01, ENV-03…ENV-12, ENV-20…ENV-24, BUI-02, BUI-06, BUI-14, GO-67…GO-69."""
    if why := phase.can_run(case):
        pytest.skip(why)
    with phase.tree(case) as root:
        outcome = phase.replay(case, root)

        assert outcome.exit_code == case["expect"]["exit_code"], outcome.output
        assert seen(case, root) == case["expect"]["seen"]
