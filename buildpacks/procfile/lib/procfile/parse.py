"""The Procfile's grammar: `name: command` lines, comments, blank lines; errors point at the column."""

from __future__ import annotations

import re
from dataclasses import dataclass

from procfile import errors

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A process type, its command, and the line it stands in, counted from 1."""

    type: str
    command: str
    number: int


def parse(text: str) -> tuple[Line, ...]:
    """The lines of a Procfile in their order; of a type named twice, the last. Raises a `Problem`."""
    found: dict[str, Line] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        content = raw.strip()
        if content and not content.startswith("#"):
            line = _line(raw, number)
            found[line.type] = line
    return tuple(found.values())


def repeated(text: str) -> tuple[str, ...]:
    """Process types that stand in the file more than once, of which all but the last are ignored."""
    names = [
        line.split(":", 1)[0].strip()
        for line in text.splitlines()
        if ":" in line and not line.lstrip().startswith("#")
    ]
    return tuple(dict.fromkeys(name for name in names if names.count(name) > 1))


def _line(raw: str, number: int) -> Line:
    start = len(raw) - len(raw.lstrip())
    name = _NAME.match(raw, start)
    if not name:
        raise errors.malformed(raw, number, start, "a process type: letters, digits, - and _")
    colon = name.end() + len(raw[name.end() :]) - len(raw[name.end() :].lstrip())
    if raw[colon : colon + 1] != ":":
        raise errors.malformed(raw, number, colon, "a colon after the process type")
    command = raw[colon + 1 :].strip()
    if not command or command.startswith("#"):
        raise errors.malformed(raw, number, len(raw.rstrip()), "a command after the colon")
    if "\0" in command:
        raise errors.malformed(raw, number, raw.index("\0"), "a command without NUL bytes")
    return Line(type=name.group(), command=command, number=number)
