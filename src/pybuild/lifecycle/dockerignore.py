"""Which files of a build context a `.dockerignore` leaves out.

Patterns: those of https://docs.docker.com/reference/dockerfile/#dockerignore-file: Go's filepath.Match for each part,
`**` for any number of parts, `!` to take a file back in; the last pattern that fits counts.
"""

from __future__ import annotations

import posixpath
import re
import warnings
from dataclasses import dataclass

from pybuild.errors import InvalidFile
from pybuild.spec.patterns import check_pattern

NAME = ".dockerignore"
_PATTERNS_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Ignore:
    """`patterns`: each with whether it takes files back in. Falsy without any."""

    patterns: tuple[tuple[re.Pattern[str], bool], ...] = ()

    @classmethod
    def read(cls, data: bytes, *, where: str) -> Ignore:
        """From a file's content; raises `InvalidFile` for a pattern that is none."""
        found: list[tuple[re.Pattern[str], bool]] = []
        for number, line in enumerate(
            data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").splitlines(), 1
        ):
            text = line.strip()
            if not text or line.startswith("#"):
                continue
            back_in = text.startswith("!")
            text = posixpath.normpath(text.removeprefix("!").strip()).strip("/")
            if text in ("", "."):
                continue
            if len(found) == _PATTERNS_MOST:
                raise InvalidFile(f"{where}: has more than {_PATTERNS_MOST} patterns")
            found.append((_compiled(text, f"{where}, line {number}"), back_in))
        return cls(tuple(found))

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def leaves_out(self, path: str) -> bool:
        """Whether the file at `path`, relative to the context, is not part of it. What fits a folder fits all in it."""
        left_out = False
        parents = path.split("/")
        names = ["/".join(parents[:depth]) for depth in range(1, len(parents) + 1)]
        for pattern, back_in in self.patterns:
            if back_in == left_out and any(map(pattern.fullmatch, names)):
                left_out = not back_in
        return left_out


def _compiled(text: str, where: str) -> re.Pattern[str]:
    check_pattern(text, where)
    regex, at = "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if text.startswith("*", at) and char == "*":
            at += 1
            slash = text.startswith("/", at)
            at += slash
            # `**/` stands for no folder, too.
            regex += "(?:.*/)?" if slash else ".*"
        elif char == "*":
            regex += "[^/]*"
        elif char == "?":
            regex += "[^/]"
        elif char == "[":
            end = text.find("]", at + 1)
            if end < 0:
                raise InvalidFile(f"{where}: {text[:80]!r} has a [ without its ]")
            inside = text[at:end]
            regex += f"[{'^' if inside.startswith('^') else ''}{_class(inside.removeprefix('^'))}]"
            at = end + 1
        elif char == "\\" and at < len(text):
            regex += re.escape(text[at])
            at += 1
        else:
            regex += re.escape(char)
    try:
        with warnings.catch_warnings():
            # Python warns of brackets that will mean something in some later version.
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(regex, re.DOTALL)
    except re.error as exc:
        raise InvalidFile(f"{where}: {text[:80]!r} is no pattern: {exc}") from exc


def _class(inside: str) -> str:
    """A character class with nothing special in it but ranges."""
    return re.sub(r"([\\\[\]^&~|])", r"\\\1", inside)
