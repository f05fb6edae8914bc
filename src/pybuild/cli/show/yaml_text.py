"""Plain values as YAML: a document that every YAML reader gives back as it was. There is no reader here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# What no reader takes for anything but text: words, and versions of three numbers; all else is written in quotes.
_PLAIN = re.compile(
    r"(?:[A-Za-z_]|[0-9]+(?:\.[0-9]+){2,}(?![0-9]))(?:[A-Za-z0-9_./@+,()-]| (?=[^ #:-])|:(?=[^ :]))*"
)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def dumps(value: Mapping[str, Any]) -> str:
    """The document of a mapping of texts, numbers, flags, None, lists and mappings; keys keep their order.

    Laid out as Go's yaml.v3 does, which `pack` uses.
    """
    return "".join(f"{line}\n" for line in _mapping(value))


def _mapping(value: Mapping[str, Any], indent: int = 4) -> Iterator[str]:
    blanks = " " * indent
    for key, item in value.items():
        name = _scalar(key)
        if isinstance(item, Mapping) and item:
            yield f"{name}:"
            yield from (f"{blanks}{line}" for line in _mapping(item))
        elif isinstance(item, list | tuple) and item:
            yield f"{name}:"
            yield from (f"{blanks}{line}" for line in _sequence(item))
        else:
            yield f"{name}: {_scalar(item)}"


def _sequence(value: list[Any] | tuple[Any, ...]) -> Iterator[str]:
    for item in value:
        if isinstance(item, Mapping) and item:
            # The dash has taken two of the four columns.
            first, *others = _mapping(item, 2)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)
        elif isinstance(item, list | tuple) and item:
            yield "-"
            yield from (f"  {line}" for line in _sequence(item))
        else:
            yield f"- {_scalar(item)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, str):
        return '"' + "".join(map(_character, value)) + '"'
    return json.dumps(value)


def _character(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    code = ord(char)
    if char.isprintable():
        return char
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
