"""A tool that builds an app, such as a compiler: run in view, and its failure told with what to do about what it said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.libcnb import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pybuild.libcnb.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildTool:
    """`name`: as people call it. `remedies`: what it says, as regular expressions → what to do about it, in this order.

    `again`: what to type on one's own machine to see the same failure. `failed`: the heading of the failure.
    """

    name: str
    remedies: tuple[tuple[str, str], ...]
    again: str
    failed: str = "The app could not be compiled"

    def run(self, argv: Sequence[str | Path], cwd: Path, environ: Mapping[str, str]) -> None:
        """Run it, its output shown as it comes. Raises a `Problem`."""
        try:
            command.run(argv, cwd=cwd, environ=environ)
        except command.ToolFailed as exc:
            seen = command.ToolFailed(f"{self.name} ended with an error, shown above")
            raise command.explained(seen, self.failed, steps=self.steps(exc.log)) from exc

    def explained(self, failure: command.ToolFailed, heading: str) -> Problem:
        """The failure of a run that nobody has seen, as a `Problem`."""
        return command.explained(failure, heading, steps=self.steps(failure.log))

    def steps(self, said: str) -> tuple[str, ...]:
        """What to do about what it said, the general step last."""
        found = [step for pattern, step in self.remedies if re.search(pattern, said)]
        return (
            *found,
            f"Read what {self.name} says above; `{self.again}` on your machine should show the same.",
        )
