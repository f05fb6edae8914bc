"""Trials over build plans: which choice holds, and why one does not (DET-30 to DET-37, GO-64)."""

from __future__ import annotations

import time

import pytest

from pybuild.lifecycle.resolve import TRIALS_MOST, Offer, Resolved, Unmet, Unresolved, resolve
from pybuild.spec.plan import PlanOption, Require
from support.pace import allowed


def option(provides: str = "", requires: str = "") -> PlanOption:
    """Names are single words, in one text."""
    return PlanOption(
        provides=tuple(provides.split()), requires=tuple(Require(name=name) for name in requires.split())
    )


def offer(id: str, *options: PlanOption, optional: bool = False, extension: bool = False) -> Offer:  # noqa: A002
    return Offer(id=id, version="1", options=options or (option(),), optional=optional, extension=extension)


def members(outcome: Resolved | Unresolved) -> tuple[int, ...]:
    assert isinstance(outcome, Resolved), outcome
    return outcome.members


def plan(outcome: Resolved | Unresolved) -> list[tuple[list[str], list[str]]]:
    assert isinstance(outcome, Resolved), outcome
    return [
        ([provider.id for provider in entry.providers], [require.name for require in entry.requires])
        for entry in outcome.plan.entries
    ]


def test_modules_without_plans_all_take_part() -> None:
    outcome = resolve([offer("a"), offer("b", optional=True)])

    assert members(outcome) == (0, 1)
    assert plan(outcome) == []


def test_what_an_earlier_module_provides_is_met() -> None:
    outcome = resolve([offer("a", option("x")), offer("b", option(requires="x"))])

    assert plan(outcome) == [(["a"], ["x"])]


def test_a_module_may_satisfy_itself() -> None:
    """DET-31"""
    outcome = resolve([offer("a", option("x", "x"))])

    assert plan(outcome) == [(["a"], ["x"])]


def test_a_required_module_that_requires_what_comes_later_fails_the_group() -> None:
    """DET-32"""
    outcome = resolve([offer("a", option(requires="x")), offer("b", option("x"))])

    assert isinstance(outcome, Unresolved)
    assert outcome.unmet == (Unmet("a@1", "requires", "x", fatal=True),)


def test_an_optional_module_with_an_unmet_requirement_is_left_out() -> None:
    """DET-32"""
    outcome = resolve([offer("a", option(requires="x"), optional=True), offer("b")])

    assert members(outcome) == (1,)
    assert outcome.trials[0].unmet == (Unmet("a@1", "requires", "x", fatal=False),)


def test_a_required_module_that_provides_what_nobody_requires_fails_the_group() -> None:
    """DET-33"""
    outcome = resolve([offer("a", option("x"))])

    assert isinstance(outcome, Unresolved)
    assert [str(unmet) for unmet in outcome.unmet] == ["fail: a@1 provides unused x"]


@pytest.mark.parametrize("extension", [False, True])
def test_an_optional_module_that_provides_what_nobody_requires_is_left_out(extension: bool) -> None:
    """DET-33, DET-37"""
    outcome = resolve([offer("a", option("x"), optional=True, extension=extension), offer("b")])

    assert members(outcome) == (1,)


def test_leaving_one_out_can_leave_out_more() -> None:
    """DET-34"""
    outcome = resolve(
        [
            offer("a", option("x", "nowhere"), optional=True),
            offer("b", option("y", "x"), optional=True),
            offer("c", option(requires="y"), optional=True),
            offer("d"),
        ]
    )

    assert members(outcome) == (3,)
    assert plan(outcome) == []


def test_leaving_one_out_can_fail_a_required_one() -> None:
    """DET-34"""
    outcome = resolve([offer("a", option("x", "nowhere"), optional=True), offer("b", option(requires="x"))])

    assert isinstance(outcome, Unresolved)
    assert outcome.unmet == (Unmet("b@1", "requires", "x", fatal=True),)


def test_leaving_out_goes_back_to_earlier_modules() -> None:
    """DET-34"""
    outcome = resolve(
        [
            offer("a", option("x"), optional=True),
            offer("b", option(requires="x y"), optional=True),
            offer("c"),
        ]
    )

    assert members(outcome) == (2,)


def test_when_everybody_is_left_out_the_trial_fails() -> None:
    outcome = resolve([offer("a", option("x"), optional=True)])

    assert isinstance(outcome, Unresolved)
    assert outcome.trials[0].empty


def test_all_providers_and_all_requirements_of_a_name_are_in_its_entry() -> None:
    """DET-36"""
    outcome = resolve(
        [
            offer("a", option("x")),
            offer("b", option("x")),
            offer("c", option(requires="x")),
            offer("d", option(requires="x")),
        ]
    )

    assert plan(outcome) == [(["a", "b"], ["x", "x"])]


def test_a_provider_after_the_last_requirement_is_unused() -> None:
    """DET-33"""
    offers = [offer("a", option("x")), offer("b", option(requires="x")), offer("c", option("x"))]

    assert isinstance(resolve(offers), Unresolved)


def test_the_leftmost_choice_varies_slowest() -> None:
    """DET-30, DET-35"""
    a = offer("a", option("x"), option("y"))
    b = offer("b", option(requires="nowhere"), option(requires="y"), option(requires="x"))

    outcome = resolve([a, b])

    assert plan(outcome) == [(["a"], ["x"])]
    assert [trial.number for trial in outcome.trials] == [1, 2, 3]


def test_an_optional_module_is_required_in_all_but_its_last_option() -> None:
    """GO-64"""
    a = offer("a", option("unused"), option("unused too"), optional=True)

    outcome = resolve([a, offer("b")])

    assert members(outcome) == (1,)
    assert [[unmet.fatal for unmet in trial.unmet] for trial in outcome.trials] == [[True], [False, False]]


def test_an_extension_that_a_buildpack_needs_takes_part() -> None:
    """DET-37"""
    outcome = resolve(
        [offer("e", option("x"), optional=True, extension=True), offer("b", option(requires="x"))]
    )

    assert isinstance(outcome, Resolved)
    assert outcome.plan.entries[0].providers[0].extension


def test_no_offers_resolve_to_nothing() -> None:
    assert isinstance(resolve([]), Unresolved)


def test_choices_that_cannot_hold_are_passed_over() -> None:
    """2^30 combinations, of which a few hold: found without trying them all."""
    choices = [offer(f"m{n}", option(requires="nowhere"), option()) for n in range(30)]

    assert members(resolve(choices)) == tuple(range(30))


def test_too_many_choices_are_given_up_in_bounded_time() -> None:
    choices = [offer(f"m{n}", option(), option()) for n in range(16)]
    before = time.monotonic()

    outcome = resolve([*choices, offer("last", option("unused"))])

    assert isinstance(outcome, Unresolved)
    assert outcome.cut
    assert len(outcome.trials) < TRIALS_MOST
    assert time.monotonic() - before < allowed(30)
