"""How the app directory is cut into slices: Go's file patterns, and who gets which path.

Specification: buildpack.md, "Slice Layers" and "launch.toml". The matching is that of Go's filepath.Match.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pybuild.buildenv.api import Entry


def cut(entries: Sequence[Entry], app_dir: str, slices: Sequence[Sequence[str]]) -> Iterator[set[str]]:
    """The paths of each slice in turn, and then those of the rest; the app directory itself is a path too.

    A path is taken by the first slice that matches it, a directory with all that is left below it. The
    directories above a matched path are repeated in its slice; they are gone for later slices once all of
    their children are.
    """
    children: dict[str, list[str]] = {}
    left = {entry.path for entry in entries}
    if not slices:
        yield left
        return
    for path in left:
        children.setdefault(posixpath.dirname(path), []).append(path)
    relative = [
        (os.fsencode(path[len(app_dir) + 1 :]), path)
        for path in sorted(left, key=lambda path: os.fsencode(path).replace(b"/", b"\0"))
        if path != app_dir
    ]
    for patterns in slices:
        matched: set[str] = set()
        for pattern in patterns:
            for path in _matches(pattern, app_dir, relative):
                _take(path, matched, left, children)
        yield matched | _ancestors(matched, app_dir, left, children)
    yield left


def _take(path: str, taken: set[str], left: set[str], children: dict[str, list[str]]) -> None:
    """Move `path` and everything below it that is still `left` into `taken`."""
    waiting = [path]
    while waiting:
        path = waiting.pop()
        # What an earlier slice took whole has nothing left below it either.
        if path in left:
            left.remove(path)
            taken.add(path)
            waiting += children.get(path, ())


def _ancestors(taken: set[str], app_dir: str, left: set[str], children: dict[str, list[str]]) -> set[str]:
    """The directories above what was taken; those without a child left are no longer `left`."""
    above: set[str] = set()
    for path in taken:
        while path != app_dir and (path := posixpath.dirname(path)) not in above:
            above.add(path)
    above -= taken
    for path in sorted(above, key=lambda path: path.count("/"), reverse=True):
        if left.isdisjoint(children.get(path, ())):
            left.discard(path)
    return above


def _matches(pattern: str, app_dir: str, relative: Iterable[tuple[bytes, str]]) -> Iterator[str]:
    # buildpack.md, "launch.toml": paths MAY be absolute below the app directory (AMB-11).
    cleaned = Pattern(os.fsencode(clean(pattern).removeprefix(app_dir + "/")))
    for name, path in relative:
        if cleaned.matches(name):
            yield path


def clean(path: str) -> str:
    """Go's path.Clean: without `.`, `//` and `x/..`; "" is "."."""
    path = posixpath.normpath(path)
    return path[1:] if path.startswith("//") else path


@dataclass(frozen=True, slots=True)
class _Class:
    """`[…]`: the ranges of code points, and whether it stands for all others."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool

    def holds(self, rune: int) -> bool:
        return any(low <= rune <= high for low, high in self.ranges) != self.negated


_ANY = _Class((), negated=True)  # `?`
_Tokens = list["int | _Class"]


class _MalformedError(Exception):
    pass


class Pattern:
    """One pattern of Go's filepath.Match."""

    def __init__(self, pattern: bytes) -> None:
        self.text = pattern
        # Each part: whether a star stands before it, and what follows; None where that is malformed.
        self._parts: list[tuple[bool, _Tokens | None]] = [
            (star, _parse(chunk)) for star, chunk in _chunks(pattern)
        ]
        self._literal = pattern if not any(byte in b"*?[\\" for byte in pattern) else None

    def matches(self, name: bytes) -> bool:
        """Whether the pattern matches all of `name`.

        Raises `ExportError` for a malformed pattern, but, like Go, only once matching gets to that part.
        """
        if self._literal is not None:
            return name == self._literal
        at = 0
        for number, (star, tokens) in enumerate(self._parts):
            last = number == len(self._parts) - 1
            if star and tokens == []:
                return b"/" not in name[at:]
            if tokens is None:
                raise ExportError(
                    f"the slice pattern {os.fsdecode(self.text)!r} is malformed",
                    hint="close every [ with ], and put nothing but a character before and after -",
                )
            end = _find(tokens, name, at, star=star, last=last)
            if end < 0:
                return False
            at = end
        return at == len(name)


def _find(tokens: _Tokens, name: bytes, at: int, *, star: bool, last: bool) -> int:
    """Where the match of one part ends, tried at `at` and, after a star, at every byte up to the next slash."""
    while True:
        end = _match(tokens, name, at)
        if end >= 0 and (end == len(name) or not last):
            return end
        if not star or at >= len(name) or name[at] == 0x2F:
            return -1
        at += 1


def _match(tokens: _Tokens, name: bytes, at: int) -> int:
    for token in tokens:
        if at >= len(name):
            return -1
        if isinstance(token, int):
            if name[at] != token:
                return -1
            at += 1
            continue
        if token is _ANY and name[at] == 0x2F:
            return -1
        rune, width = _rune(name, at)
        if not token.holds(rune):
            return -1
        at += width
    return at


def _chunks(pattern: bytes) -> Iterator[tuple[bool, bytes]]:
    """Cut a pattern at the stars outside of brackets."""
    at = 0
    while at < len(pattern):
        start = at
        while at < len(pattern) and pattern[at] == 0x2A:
            at += 1
        star, start, inside = at > start, at, False
        while at < len(pattern) and (inside or pattern[at] != 0x2A):
            if pattern[at] == 0x5C and at + 1 < len(pattern):
                at += 1
            elif pattern[at] == 0x5B:
                inside = True
            elif pattern[at] == 0x5D:
                inside = False
            at += 1
        yield star, pattern[start:at]


def _parse(chunk: bytes) -> _Tokens | None:
    tokens: _Tokens = []
    at = 0
    try:
        while at < len(chunk):
            if chunk[at] == 0x5B:
                token, at = _parse_class(chunk, at + 1)
                tokens.append(token)
                continue
            if chunk[at] == 0x5C:
                at += 1
                if at == len(chunk):
                    return None
                tokens.append(chunk[at])
            else:
                tokens.append(_ANY if chunk[at] == 0x3F else chunk[at])
            at += 1
    except _MalformedError:
        return None
    return tokens


def _parse_class(chunk: bytes, at: int) -> tuple[_Class, int]:
    negated = chunk[at : at + 1] == b"^"
    at += negated
    ranges: list[tuple[int, int]] = []
    while chunk[at : at + 1] != b"]" or not ranges:
        low, at = _class_rune(chunk, at)
        high = low
        if chunk[at] == 0x2D:
            high, at = _class_rune(chunk, at + 1)
        ranges.append((low, high))
    return _Class(tuple(ranges), negated), at + 1


def _class_rune(chunk: bytes, at: int) -> tuple[int, int]:
    """One character inside brackets, perhaps escaped; something must follow it."""
    if chunk[at : at + 1] in (b"", b"-", b"]"):
        raise _MalformedError
    if chunk[at] == 0x5C:
        at += 1
        if at == len(chunk):
            raise _MalformedError
    rune, width = _rune(chunk, at)
    if (rune == 0xFFFD and width == 1) or at + width >= len(chunk):
        raise _MalformedError
    return rune, at + width


def _rune(text: bytes, at: int) -> tuple[int, int]:
    """The code point at `at` and its bytes; U+FFFD and 1 where the text is no UTF-8, as Go decodes it."""
    first = text[at]
    if first < 0x80:
        return first, 1
    width = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    try:
        return ord(text[at : at + width].decode()), width
    except (UnicodeDecodeError, TypeError):
        return 0xFFFD, 1
