"""Build plans, plan.toml and buildpack plans: PLN-01 to PLN-06."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.spec.plan import BuildpackPlan, BuildPlan, Plan, PlanEntry, PlanOption, Provider, Require


def test_the_top_level_is_the_first_option_and_each_or_another() -> None:
    """PLN-01."""
    text = """
[[provides]]
name = "go"
[[requires]]
name = "go"
[requires.metadata]
version = "1"
[[or]]
[[or.requires]]
name = "node"
[[or]]
"""
    plan = BuildPlan.read(text.encode(), "plan.toml")

    assert plan.options == (
        PlanOption(provides=("go",), requires=(Require(name="go", metadata={"version": "1"}),)),
        PlanOption(requires=(Require(name="node"),)),
        PlanOption(),
    )


def test_an_empty_build_plan_is_one_empty_option() -> None:
    assert BuildPlan.read(b"", "plan.toml") == BuildPlan() == BuildPlan(options=(PlanOption(),))


def test_the_version_that_was_deprecated_is_read_so_that_it_can_be_refused() -> None:
    """PLN-06."""
    plan = BuildPlan.read(b'[[requires]]\nname = "go"\nversion = "1"\n', "plan.toml")

    assert plan.options[0].requires[0].version == "1"


@pytest.mark.parametrize(
    "text", ["[provides]\n", "[[provides]]\nname = 1\n", "[[requires]]\nname = []\n", "or = 1"]
)
def test_a_build_plan_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile, match=r"^plan\.toml: "):
        BuildPlan.read(text.encode(), "plan.toml")


def test_a_plan_reads_and_writes_the_same() -> None:
    """PLN-04."""
    plan = Plan(
        entries=(
            PlanEntry(
                providers=(Provider(id="a", version="1"), Provider(id="e", version="2", extension=True)),
                requires=(Require(name="x", metadata={"b": [1, {"c": 2.5}]}), Require(name="x", metadata={})),
            ),
        )
    )

    assert Plan.read(plan.write(), "plan.toml") == plan


def test_a_buildpack_plan_tells_an_empty_table_from_none() -> None:
    """PLN-05."""
    plan = BuildpackPlan(entries=(Require(name="x"), Require(name="y", metadata={})))

    assert plan.write() == b'[[entries]]\n  name = "x"\n\n[[entries]]\n  name = "y"\n  [entries.metadata]\n'
    assert BuildpackPlan.read(plan.write(), "plan.toml") == plan


def test_metadata_that_is_no_table_is_passed_over() -> None:
    """As every lifecycle has done: it was never an error."""
    plan = BuildPlan.read(b"[[requires]]\nname = 'x'\nmetadata = 'y'\n", "plan.toml")

    assert plan.options[0].requires == (Require(name="x"),)
