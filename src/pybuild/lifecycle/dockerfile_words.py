"""The words of a Dockerfile instruction: quotes, escapes and variables, as far as extensions need them. Pure.

Format: https://docs.docker.com/reference/dockerfile/, "Environment replacement", "Shell and exec form".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pybuild import gojson
from pybuild.errors import InvalidFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r"[0-9@*#]")
_LONGEST = 1 << 20


def split(text: str) -> list[str]:
    """Words as they stand, quotes and escapes included."""
    words: list[str] = []
    word, quote, at = "", "", 0
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'" and at + 1 < len(text):
            word += text[at : at + 2]
            at += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        if char.isspace() and not quote:
            words += [word] if word else []
            word = ""
        else:
            word += char
        at += 1
    return [*words, word] if word else words


def expand(text: str, values: Mapping[str, str], *, where: str) -> str:
    """A word without its quotes, its variables replaced; unknown ones by nothing. Raises `InvalidFile`."""
    return _Word(text, values, where).whole()


def pairs(text: str, values: Mapping[str, str], *, where: str) -> list[tuple[str, str]]:
    """The `NAME=value` of ENV and LABEL, or the one `NAME value` of their old form, expanded."""
    words = split(text)
    if words and "=" not in words[0]:
        rest = text.strip()[len(words[0]) :].strip()
        if not rest:
            raise InvalidFile(f"{where}: {words[0]!r} has no value; expected NAME=value")
        return [(expand(words[0], values, where=where), expand(rest, values, where=where))]
    found = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InvalidFile(f"{where}: {word[:80]!r}; expected NAME=value")
        found.append((expand(name, values, where=where), expand(value, values, where=where)))
    return found


def exec_form(text: str) -> list[str] | None:
    """The words of a JSON array of strings; None where the text is none, and so a shell's."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = gojson.loads(text, where="instruction")
    except InvalidFile:
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [str(item) for item in value]
    return None


def flags(text: str) -> tuple[dict[str, str], str]:
    """The `--name=value` that an instruction begins with, and the rest."""
    found: dict[str, str] = {}
    rest = text.strip()
    while match := re.match(r"--([a-z-]+)(?:=(\S*))?(?:\s+|$)", rest):
        found[match[1]] = match[2] or ""
        rest = rest[match.end() :]
    return found, rest


class _Word:
    """One word under way."""

    def __init__(self, text: str, values: Mapping[str, str], where: str) -> None:
        self._text, self._values, self._where = text, values, where
        self._at = 0

    def whole(self) -> str:
        made = "".join(self._parts(""))
        if len(made) > _LONGEST:
            raise InvalidFile(f"{self._where}: a word of it becomes longer than 1 MiB")
        return made

    def _parts(self, end: str) -> Iterator[str]:
        """Up to the character `end`, or to the end of the text."""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == end:
                return
            self._at += 1
            if char == "'":
                yield self._until("'")
            elif char == '"':
                yield from self._quoted()
            elif char == "\\":
                yield self._text[self._at : self._at + 1]
                self._at += 1
            elif char == "$":
                yield self._variable()
            else:
                yield char
        if end:
            raise self._wrong(f"lacks its {end}")

    def _quoted(self) -> Iterator[str]:
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char == '"':
                return
            if char == "\\" and self._text[self._at : self._at + 1] in ('"', "$", "\\"):
                yield self._text[self._at]
                self._at += 1
            elif char == "$":
                yield self._variable()
            else:
                yield char
        raise self._wrong('lacks its "')

    def _until(self, end: str) -> str:
        stop = self._text.find(end, self._at)
        if stop < 0:
            raise self._wrong(f"lacks its {end}")
        found = self._text[self._at : stop]
        self._at = stop + 1
        return found

    def _variable(self) -> str:
        braced = self._text.startswith("{", self._at)
        self._at += braced
        name = _NAME.match(self._text, self._at) or _SPECIAL.match(self._text, self._at)
        if not name:
            if braced:
                raise self._wrong("has a ${ without a name")
            return "$"
        self._at = name.end()
        value = self._values.get(name[0], "")
        if not braced:
            return value
        if self._text.startswith("}", self._at):
            self._at += 1
            return value
        found = re.compile(r":?([-+])").match(self._text, self._at)
        if not found:
            raise self._wrong(f"does more with {name[0][:80]} than ${{NAME:-word}} and ${{NAME:+word}}")
        self._at = found.end()
        word = "".join(self._parts("}"))
        self._at += 1
        there = bool(value) if found[0].startswith(":") else name[0] in self._values
        return (value if there else word) if found[1] == "-" else (word if there else "")

    def _wrong(self, what: str) -> InvalidFile:
        return InvalidFile(f"{self._where}: {self._text[:80]!r} {what}")
