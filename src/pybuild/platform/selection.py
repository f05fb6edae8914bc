"""Which of the app's paths take part in a build: `include` or `exclude` of project.toml, in git's semantics.

Specification: project descriptor, "io.buildpacks.include and io.buildpacks.exclude" (PRJ-06, PRJ-07).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self

from pathspec import GitIgnoreSpec

from pybuild.errors import InvalidFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Patterns, and whether what they match is all that goes in (`inverted`) or all that stays out."""

    spec: GitIgnoreSpec | None = None
    inverted: bool = False

    @classmethod
    def of(
        cls, *, include: tuple[str, ...] = (), exclude: tuple[str, ...] = (), where: str = "project.toml"
    ) -> Self:
        """The selection of a project file; everything without patterns. Raises `InvalidFile` for both kinds or a bad one."""
        if include and exclude:
            raise InvalidFile(f"{where}: io.buildpacks: expected include or exclude, found both")
        if not include and not exclude:
            return cls()
        try:
            return cls(spec=GitIgnoreSpec.from_lines(include or exclude), inverted=bool(include))
        except ValueError as exc:
            raise InvalidFile(
                f"{where}: a pattern of include or exclude is none that git knows: {exc}"
            ) from exc

    def matches(self, path: bytes, *, folder: bool, parent_matches: bool) -> bool:
        """Whether the patterns match `path`, relative to the app.

        What lies in a matched folder is matched, whatever later patterns say: git cannot see into it either.
        """
        if self.spec is None or parent_matches:
            return parent_matches
        return self.spec.match_file(os.fsdecode(path) + ("/" if folder else ""))

    def keeps(self, matched: bool) -> bool:
        """Whether a path goes into the build, given whether the patterns match it."""
        return matched == self.inverted

    def enters(self, matched: bool) -> bool:
        """Whether anything in such a folder may go into the build."""
        return self.inverted or not matched
