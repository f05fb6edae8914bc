"""From an order with composites, optional entries, extensions and system buildpacks to plain groups, one by one.

Specification: buildpack.md, "Order Resolution"; platform.md, "detector", on system.toml. Nothing is kept but
the groups still to come, so that an order that stands for a million groups costs no more than its text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pybuild.errors import BuilderUnusable, DetectError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pybuild.lifecycle.buildpacks import Kind, Module, Modules
    from pybuild.spec.order import ModuleRef, Order, OrderFile, System

GROUPS_MOST = 100_000
STEPS_MOST = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One module of a plain group, under the id and version that the order gives it."""

    id: str
    version: str
    module: Module
    optional: bool = False
    extension: bool = False

    @property
    def kind(self) -> Kind:
        """In which folder it was found."""
        return "extension" if self.extension else "buildpack"

    def __str__(self) -> str:
        return f"{self.id}@{self.version}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A module that the order names but that takes no part in this group, and why."""

    id: str
    version: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A plain group to try.

    `errors_count`: whether an error in it makes the whole detection "failed with errors": the groups of an
    optional composite are a mere attempt, after which the group is tried without it.
    """

    members: tuple[Member, ...]
    left_out: tuple[LeftOut, ...] = ()
    errors_count: bool = True


def with_system(order: Order, system: System) -> Order:
    """Every group with the system buildpacks around it, but for those whose ids it already names (DET-12)."""

    def missing(refs: tuple[ModuleRef, ...], group: tuple[ModuleRef, ...]) -> tuple[ModuleRef, ...]:
        own = {ref.id for ref in group}
        # They are required, whatever the file says.
        return tuple(replace(ref, optional=False) for ref in refs if ref.id not in own)

    return tuple((*missing(system.pre, group), *group, *missing(system.post, group)) for group in order)


def check_order(order: OrderFile, modules: Modules) -> None:
    """Raise unless every module that the order itself names exists and has a Buildpack API that we speak.

    `BuilderUnusable`, `InvalidFile`, `BuildpackApiUnsupported`. What composites name is seen when it is reached.
    """
    named: tuple[tuple[Kind, Order], ...] = (
        ("buildpack", order.order),
        ("extension", order.order_extensions),
    )
    for kind, groups in named:
        for ref in (ref for group in groups for ref in group):
            modules.find(kind, ref.id, ref.version).check_api()


def expand(order: OrderFile, modules: Modules, *, takes_part: Callable[[Module], str]) -> Iterator[Candidate]:
    """Every plain group, in the order in which they are to be tried.

    `takes_part(module)`: "" or why this module is left out. A second module of the same id is left out too.
    `DetectError` for a composite that contains itself, a module that is missing, or an endless order.
    """
    expansion = _Expansion(modules, takes_part)
    extensions = _Fork(_steps(order.order_extensions, extension=True), optional=True)
    starts = [_chain(group, None) for group in _steps(order.order)]
    if order.order_extensions:
        starts = [_Todo(extensions, todo) for todo in starts]
    branches = [_Branch(todo=todo) for todo in reversed(starts)]
    groups = 0
    while branches:
        outcome = expansion.follow(branches.pop())
        if isinstance(outcome, Candidate):
            groups += 1
            if groups > GROUPS_MOST:
                raise DetectError(
                    f"the order stands for more than {GROUPS_MOST} groups; none of these passed"
                )
            yield outcome
        else:
            branches.extend(outcome)


@dataclass(frozen=True, slots=True)
class _Step:
    """One entry of an order. `within`: ids and versions of the composites that it came out of."""

    ref: ModuleRef
    extension: bool = False
    within: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Fork:
    """An order in the place of one entry: each of its groups is tried there; if `optional`, then none."""

    groups: tuple[tuple[_Step, ...], ...]
    optional: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Todo:
    """What is left to do; linked, so that all branches share what comes after the place where they part."""

    step: _Step | _Fork
    rest: _Todo | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Branch:
    """A group walked up to `todo`."""

    todo: _Todo | None
    members: tuple[Member, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    errors_count: bool = True


class _Expansion:
    """The walk through one order, with a limit on its steps."""

    def __init__(self, modules: Modules, takes_part: Callable[[Module], str]) -> None:
        self._modules = modules
        self._takes_part = takes_part
        self._steps = 0

    def follow(self, branch: _Branch) -> Candidate | Sequence[_Branch]:
        """Walk to the end of the group; or to the first fork, for the branches that part there."""
        members, left_out = list(branch.members), list(branch.left_out)
        known = {(member.extension, member.id) for member in members}
        todo = branch.todo
        while todo is not None:
            step, todo = todo.step, todo.rest
            self._count(1)
            if isinstance(step, _Step):
                fork = self._walk(step, members, left_out, known)
                if fork is None:
                    continue
                step = fork
            self._count(len(members) + len(left_out))
            here = replace(branch, todo=todo, members=tuple(members), left_out=tuple(left_out))
            return _branches(here, step)
        return Candidate(members=tuple(members), left_out=tuple(left_out), errors_count=branch.errors_count)

    def _walk(
        self,
        step: _Step,
        members: list[Member],
        left_out: list[LeftOut],
        known: set[tuple[bool, str]],
    ) -> _Fork | None:
        """Take one entry into `members` or `left_out`; a composite gives its fork instead."""
        ref = step.ref
        if (step.extension, ref.id) in known:
            left_out.append(LeftOut(ref.id, ref.version, "its id is in the group already"))
            return None
        module = self._find(step)
        if module.descriptor.is_composite:
            return self._inside(step, module)
        if why := self._takes_part(module):
            left_out.append(LeftOut(ref.id, ref.version, why))
            return None
        known.add((step.extension, ref.id))
        members.append(
            Member(
                id=ref.id,
                version=ref.version,
                module=module,
                optional=ref.optional or step.extension,
                extension=step.extension,
            )
        )
        return None

    def _find(self, step: _Step) -> Module:
        kind: Kind = "extension" if step.extension else "buildpack"
        try:
            module = self._modules.find(kind, step.ref.id, step.ref.version)
            _ = module.api
        except (BuilderUnusable, InvalidInput) as exc:
            raise DetectError(str(exc), hint=exc.hint) from exc
        return module

    def _inside(self, step: _Step, module: Module) -> _Fork:
        own = (step.ref.id, step.ref.version)
        if own in step.within:
            raise DetectError(
                f"buildpack {step.ref} contains itself, by way of the orders of composite buildpacks"
            )
        groups = _steps(module.descriptor.order, within=step.within | {own})
        return _Fork(groups, step.ref.optional)

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > STEPS_MOST:
            raise DetectError(f"the order takes more than {STEPS_MOST} steps to work out")


def _steps(
    order: Order, *, extension: bool = False, within: frozenset[tuple[str, str]] = frozenset()
) -> tuple[tuple[_Step, ...], ...]:
    return tuple(tuple(_Step(ref, extension, within) for ref in group) for group in order)


def _chain(steps: tuple[_Step, ...], rest: _Todo | None) -> _Todo | None:
    for step in reversed(steps):
        rest = _Todo(step, rest)
    return rest


def _branches(here: _Branch, fork: _Fork) -> list[_Branch]:
    """The branches that part at `fork`, last one first, as a stack takes them."""
    counts = here.errors_count and not fork.optional
    inside = [
        replace(here, todo=_chain(group, here.todo), errors_count=counts) for group in reversed(fork.groups)
    ]
    # Buildpack API, "Order Resolution": an optional entry is left out after all that it stands for has failed.
    return [here, *inside] if fork.optional else inside
