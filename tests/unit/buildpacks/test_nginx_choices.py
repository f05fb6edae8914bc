"""What the nginx buildpack decides: version and layer types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from nginx.build import choose_version, wanted_types
from pybuild.libcnb.layers import Types
from pybuild.libcnb.plan import Require
from pybuild.libcnb.problem import Problem


class Packages:
    """Package sources with two versions of nginx."""

    def versions(self, package: str) -> tuple[str, ...]:
        assert package == "nginx"
        return ("1.22.1-9+deb12u11", "1.22.0-2")


@dataclass
class Plan:
    plan: tuple[Require, ...]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("", "1.22.1-9+deb12u11"),
        ("1.22", "1.22.1-9+deb12u11"),
        ("1.22.0", "1.22.0-2"),
        ("1.22.0-2", "1.22.0-2"),
    ],
)
def test_the_newest_or_the_wanted_version_is_chosen(wanted: str, expected: str) -> None:
    assert choose_version(Packages(), wanted)[0] == expected  # type: ignore[arg-type] # the question it asks


def test_a_version_nobody_has_is_answered_with_the_list() -> None:
    with pytest.raises(Problem) as caught:
        choose_version(Packages(), "1.18")  # type: ignore[arg-type] # the question it asks

    assert "asks for 1.18; the package sources of this builder have 1.22.1, 1.22.0." in caught.value.found


@pytest.mark.parametrize(
    ("needs", "launch", "build"),
    [
        ([{}], True, False),
        ([{"build": True}], False, True),
        ([{"build": True}, {"launch": True}], True, True),
        ([{"launch": "yes"}], True, False),
    ],
)
def test_the_plan_decides_who_gets_the_layer(needs: list[dict[str, Any]], launch: bool, build: bool) -> None:
    plan = Plan(plan=tuple(Require(name="nginx", metadata=need) for need in needs))

    assert wanted_types(plan) == Types(launch=launch, build=build, cache=True)  # type: ignore[arg-type] # all it reads
