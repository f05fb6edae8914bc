"""Which choice of build plans holds: the trials of one group whose detects are done. Pure.

Specification: buildpack.md, "Phase #1: Detection", process from "the lifecycle MUST attempt to resolve the
contributed plan options"; extensions offer `provides` only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pybuild.spec.plan import Plan, PlanEntry, PlanOption, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.spec.plan import Require

TRIALS_MOST = 10_000
# Up to here each trial is told of; from here on, all that begin with choices that cannot hold count as one.
TRIALS_TOLD = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One module that passed detection, with the plans it can live with, in its order of preference."""

    id: str
    version: str
    options: tuple[PlanOption, ...]
    optional: bool = False
    extension: bool = False

    def __str__(self) -> str:
        return f"{self.id}@{self.version}"


@dataclass(frozen=True, slots=True)
class Unmet:
    """`name` that `who` requires and nothing up to it provides, or that it provides and nothing from it on
    requires. `fatal`: the trial failed of it; else `who` was left out.
    """

    who: str
    kind: Literal["requires", "provides"]
    name: str
    fatal: bool

    def __str__(self) -> str:
        verb = "requires" if self.kind == "requires" else "provides unused"
        return f"{'fail' if self.fatal else 'skip'}: {self.who} {verb} {self.name}"


@dataclass(frozen=True, slots=True)
class Trial:
    """One choice of options that was tried, and all that was unmet in it. `empty`: nobody was left."""

    number: int
    unmet: tuple[Unmet, ...]
    empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The offers that take part (their places in the group) and the plan that they make.

    `needs`: who requires what, in the plan's order; `left_out`: why optional offers are not in it.
    """

    members: tuple[int, ...]
    plan: Plan
    trials: tuple[Trial, ...]
    needs: tuple[tuple[str, str], ...] = ()
    left_out: tuple[Unmet, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """No choice holds; why each one that was tried failed. `cut`: there were more choices than we try."""

    trials: tuple[Trial, ...]
    cut: bool = False

    @property
    def unmet(self) -> tuple[Unmet, ...]:
        """What made trials fail, each once."""
        return tuple(dict.fromkeys(unmet for trial in self.trials for unmet in trial.unmet if unmet.fatal))


def resolve(offers: Sequence[Offer]) -> Resolved | Unresolved:
    """The first choice of one option from each offer that holds: leftmost offers vary slowest."""
    trials: list[Trial] = []
    made = 0
    for made, chosen in enumerate(_choices(offers), start=1):
        if made > TRIALS_MOST:
            break
        if chosen is None:
            continue
        trial, kept, slots = _try(made, chosen)
        if made <= TRIALS_TOLD:
            trials.append(trial)
        if kept:
            members = tuple(choice.place for choice in kept)
            return Resolved(
                members=members,
                plan=_plan(slots),
                trials=tuple(trials),
                needs=tuple((str(who.offer), name) for name, slot in slots.items() for who in slot.requirers),
                left_out=trial.unmet,
            )
    return Unresolved(trials=tuple(trials), cut=made > TRIALS_MOST)


@dataclass(frozen=True, slots=True)
class _Choice:
    place: int
    offer: Offer
    option: PlanOption
    # A module is optional only with its last option: before, its failing moves on to its next one.
    optional: bool


@dataclass(slots=True)
class _Slot:
    """One name of a trial: who provides it and what is required of it, so far from left to right."""

    providers: list[_Choice] = field(default_factory=list)
    requires: list[Require] = field(default_factory=list)
    requirers: list[_Choice] = field(default_factory=list)
    too_early: list[_Choice] = field(default_factory=list)
    unused: list[_Choice] = field(default_factory=list)


def _choices(offers: Sequence[Offer]) -> Iterator[tuple[_Choice, ...] | None]:
    """Every combination, depth first, without recursion: a group may be long. None for those passed over."""
    if not offers:
        yield ()
        return
    picks = [0]
    made = 0
    while picks:
        place = len(picks) - 1
        if picks[-1] >= len(offers[place].options):
            picks.pop()
            if picks:
                picks[-1] += 1
            continue
        if made >= TRIALS_TOLD and _is_dead(_chosen(offers, picks)):
            yield None
            picks[-1] += 1
        elif len(picks) < len(offers):
            picks.append(0)
        else:
            yield _chosen(offers, picks)
            made += 1
            picks[-1] += 1


def _chosen(offers: Sequence[Offer], picks: Sequence[int]) -> tuple[_Choice, ...]:
    found = []
    for place, pick in enumerate(picks):
        offer = offers[place]
        is_last = pick == len(offer.options) - 1
        found.append(_Choice(place, offer, offer.options[pick], offer.optional and is_last))
    return tuple(found)


def _is_dead(chosen: Sequence[_Choice]) -> bool:
    """Whether the last choice requires what nothing up to it provides, and cannot be left out."""
    last = chosen[-1]
    if last.optional:
        return False
    provided = {name for choice in chosen for name in choice.option.provides}
    return any(require.name not in provided for require in last.option.requires)


def _try(number: int, chosen: Sequence[_Choice]) -> tuple[Trial, list[_Choice], dict[str, _Slot]]:
    kept = list(chosen)
    unmet: list[Unmet] = []
    while True:
        slots = _slots(kept)
        found = list(_unmet(slots))
        unmet.extend(what for _, what in found)
        if any(what.fatal for _, what in found):
            return Trial(number, tuple(unmet)), [], {}
        if not found:
            return Trial(number, tuple(unmet), empty=not kept), kept, slots
        # Who leaves takes its provides and requires along, so everything is looked at again.
        left = {choice.place for choice, _ in found}
        kept = [choice for choice in kept if choice.place not in left]


def _slots(chosen: Sequence[_Choice]) -> dict[str, _Slot]:
    slots: dict[str, _Slot] = {}
    for choice in chosen:
        # A module's provides count before its requires: it may satisfy itself.
        for name in choice.option.provides:
            slots.setdefault(name, _Slot()).unused.append(choice)
        for require in choice.option.requires:
            slot = slots.setdefault(require.name, _Slot())
            slot.providers += slot.unused
            slot.unused.clear()
            if slot.providers:
                slot.requires.append(require)
                slot.requirers.append(choice)
            else:
                slot.too_early.append(choice)
    return slots


def _unmet(slots: dict[str, _Slot]) -> Iterator[tuple[_Choice, Unmet]]:
    """What is unmet, up to the first that makes the trial fail: unmet requires before unused provides."""
    for name, slot in slots.items():
        for choice in slot.too_early:
            yield choice, Unmet(str(choice.offer), "requires", name, not choice.optional)
            if not choice.optional:
                return
    for name, slot in slots.items():
        for choice in slot.unused:
            yield choice, Unmet(str(choice.offer), "provides", name, not choice.optional)
            if not choice.optional:
                return


def _plan(slots: dict[str, _Slot]) -> Plan:
    return Plan(
        entries=tuple(
            PlanEntry(
                providers=tuple(
                    Provider(
                        id=choice.offer.id, version=choice.offer.version, extension=choice.offer.extension
                    )
                    for choice in slot.providers
                ),
                requires=tuple(slot.requires),
            )
            for slot in slots.values()
        )
    )
