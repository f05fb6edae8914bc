"""Which of the app's paths take part in a build: `include` or `exclude` of project.toml, in git's semantics.

Specification: project descriptor, "io.buildpacks.include and io.buildpacks.exclude" (PRJ-06, PRJ-07).
"""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidFile
from pybuild.spec.patterns import check_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pathspec.pattern import Pattern


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line. pathspec translates it; that a line also matches what lies below a match is undone here.

    Git asks for every folder on the way first, and the last line that matches the path itself decides. pathspec
    answers for whole paths at once, and gives other answers where lines take back what earlier ones matched.
    """

    pattern: Pattern
    matches: bool
    last: int
    """How many of a path's last parts it is about; 0: the whole path."""
    folders_only: bool
    below_only: bool
    """Ends in `/**`: the folder itself is not meant."""
    spanning: bool
    """Has `**` inside: what lies below a match may match in its own right."""

    def fits(self, parts: list[str], *, folder: bool) -> bool:
        if len(parts) < self.last or (self.folders_only and not folder):
            return False
        asked = parts[-self.last :] if self.last else parts
        path = "/".join(asked)
        if self.pattern.match_file(f"{path}/" if folder and not self.below_only else path) is None:
            return False
        return self.spanning or len(asked) == 1 or self.pattern.match_file("/".join(asked[:-1]) + "/") is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Patterns, the last one first, and whether what they match is all that goes in (`inverted`) or stays out."""

    rules: tuple[_Rule, ...] = ()
    inverted: bool = False

    @classmethod
    def of(
        cls, *, include: Sequence[str] = (), exclude: Sequence[str] = (), where: str = "project.toml"
    ) -> Self:
        """The selection of a project file; everything without patterns. Raises `InvalidFile` for both kinds or a bad one."""
        if include and exclude:
            raise InvalidFile(f"{where}: include and exclude: expected one of them, found both")
        rules = [rule for line in include or exclude for rule in _rules(line, where)]
        return cls(rules=tuple(reversed(rules)), inverted=bool(include))

    def matches(self, path: bytes, *, folder: bool, parent_matches: bool) -> bool:
        """Whether the patterns match `path`, relative to the app.

        What lies in a matched folder is matched, whatever later patterns say: git cannot see into it either.
        """
        if parent_matches or not self.rules:
            return parent_matches
        return self.verdict(path, folder=folder) or False

    def verdict(self, path: bytes, *, folder: bool) -> bool | None:
        """Whether the last pattern about `path` itself matches or takes back; None if none is about it."""
        if not self.rules:
            return None
        parts = os.fsdecode(path).split("/")
        return next((rule.matches for rule in self.rules if rule.fits(parts, folder=folder)), None)

    def with_line(self, line: str, *, where: str = ".gitignore") -> Self:
        """The same with one more pattern, which counts more than those before. Raises `InvalidFile` for a bad one."""
        return replace(self, rules=(*reversed(_rules(line, where)), *self.rules))

    def keeps(self, matched: bool) -> bool:
        """Whether a path goes into the build, given whether the patterns match it."""
        return matched == self.inverted

    def enters(self, matched: bool) -> bool:
        """Whether anything in such a folder may go into the build."""
        return self.inverted or not matched


def _rules(line: str, where: str) -> list[_Rule]:
    """The rule of a line; none for a comment or a blank line."""
    text = line.removeprefix("!")
    check_pattern(text, where)
    if text.startswith("/**"):
        text = text[1:]
    body = text.strip(" ").rstrip("/")
    last = 0 if "/" in body else 1
    while body.startswith("**/"):
        body = body[3:]
        last = body.count("/") + 1
    spanning = "**" in body and body != "**"
    if last > 1:
        # About the last parts of a path, wherever they are: given alone, they must match from their beginning.
        last, text = (0, text) if spanning else (last, f"/{text.lstrip('/').removeprefix('**/')}")
    # Imported for those who have patterns: it takes as long as all else that a build imports before its container.
    from pathspec import GitIgnoreSpec

    try:
        with warnings.catch_warnings():
            # Python warns of brackets that will mean something in some later version.
            warnings.simplefilter("ignore", FutureWarning)
            patterns = GitIgnoreSpec.from_lines([text]).patterns
    except (ValueError, re.error) as exc:
        raise InvalidFile(
            f"{where}: the pattern {line[:80]!r} of include or exclude is none that git knows: {exc}"
        ) from exc
    return [
        _Rule(
            pattern=pattern,
            matches=not line.startswith("!"),
            last=last,
            folders_only=text.rstrip(" ").endswith("/"),
            below_only=body.endswith("/**"),
            spanning=spanning,
        )
        for pattern in patterns
        if pattern.include is not None
    ]
