"""The build plan from the buildpack's side: what it provides and requires, and the entries it is given.

Buildpack API, "Build Plan (TOML)" and "Buildpack Plan (TOML)".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pybuild.spec import toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Require:
    """A dependency by name, with whatever its provider should know."""

    name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOption:
    """One way for a buildpack to take part."""

    provides: tuple[str, ...] = ()
    requires: tuple[Require, ...] = ()

    def table(self) -> dict[str, Any]:
        """The option as the plan's file has it; empty lists are left out."""
        provides = [{"name": name} for name in self.provides]
        requires = [
            {"name": need.name, **({"metadata": dict(need.metadata)} if need.metadata else {})}
            for need in self.requires
        ]
        return {
            **({"provides": provides} if provides else {}),
            **({"requires": requires} if requires else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """`bin/detect` passes: exit 0. The options are tried in order."""

    options: tuple[PlanOption, ...] = (PlanOption(),)

    def table(self) -> dict[str, Any]:
        """The build plan's file."""
        first, *others = self.options
        return {**first.table(), **({"or": [option.table() for option in others]} if others else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotForUs:
    """`bin/detect` fails without being wrong: exit 100. `reason` is shown."""

    reason: str


def passed(*, provides: tuple[str, ...] = (), requires: tuple[Require, ...] = ()) -> Passed:
    """The plan with one option."""
    return Passed(options=(PlanOption(provides=provides, requires=requires),))


def read_entries(path: Path) -> tuple[Require, ...]:
    """The entries of a Buildpack Plan; none when the file does not exist. Raises `InvalidFile`."""
    if not path.is_file():
        return ()
    document = toml.load(path.read_bytes(), file=path.name)
    return tuple(
        Require(name=entry.needed("name"), metadata=entry.table("metadata").raw())
        for entry in document.tables("entries")
    )
