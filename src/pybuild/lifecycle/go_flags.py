"""Flags in the grammar of Go's flag package: `-x`, `--x`, `-x=v`, `-x v`; they end at the first other word or `--`.

Platforms are written against it: `-daemon=false`, `-uid=0x3e8` and `-tag a -tag b` mean here what they mean there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

FlagKind = Literal["text", "bool", "int", "list"]

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_NUMBER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)"
)
_LARGEST = 1 << 63


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that a program knows. A "bool" takes a value only after `=`; a "list" may be given again."""

    name: str
    kind: FlagKind
    help: str = ""


class UsageError(Exception):
    """The command line cannot be read: `text` says why and how it should look. `code`: what Go ends with."""

    def __init__(self, text: str, code: int = 2) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def parse_bool(text: str) -> bool | None:
    """Go's strconv.ParseBool; None for a text that it refuses."""
    return True if text in _TRUE else False if text in _FALSE else None


def parse_flags(known: Sequence[Flag], words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The values of the flags that are given, by name, and the words after them. Raises `UsageError`."""
    flags = {flag.name: flag for flag in known}
    values: dict[str, Any] = {}
    rest = list(words)
    while rest and len(rest[0]) > 1 and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        stated = word[2:] if word.startswith("--") else word[1:]
        name, joined, value = stated.partition("=")
        if not name or name.startswith("-"):
            raise UsageError(f"bad flag syntax: {word}\n{usage(known)}")
        flag = flags.get(name)
        if flag is None:
            raise _unknown(name, known)
        if flag.kind == "bool":
            values[name] = _bool(flag, value if joined else "true", known)
            continue
        if not joined:
            if not rest:
                raise UsageError(f"flag needs an argument: -{name}\n{usage(known)}")
            value = rest.pop(0)
        _take(values, flag, value, known)
    return values, rest


def usage(known: Sequence[Flag]) -> str:
    """All flags with their help, as Go's flag package shows them."""
    lines = ["Usage of lifecycle:"]
    for flag in sorted(known, key=lambda each: each.name):
        kind = {"text": " string", "int": " int", "list": " value", "bool": ""}[flag.kind]
        lines += [f"  -{flag.name}{kind}", f"    \t{flag.help}"]
    return "\n".join(lines)


def _unknown(name: str, known: Sequence[Flag]) -> UsageError:
    if name in ("h", "help"):
        return UsageError(usage(known), code=0)
    return UsageError(f"flag provided but not defined: -{name}\n{usage(known)}")


def _bool(flag: Flag, text: str, known: Sequence[Flag]) -> bool:
    value = parse_bool(text)
    if value is None:
        raise UsageError(f'invalid boolean value "{text}" for -{flag.name}: parse error\n{usage(known)}')
    return value


def _take(values: dict[str, Any], flag: Flag, text: str, known: Sequence[Flag]) -> None:
    match flag.kind:
        case "list":
            values[flag.name] = (*values.get(flag.name, ()), text)
        case "int":
            values[flag.name] = _number(flag, text, known)
        case _:
            values[flag.name] = text


def _number(flag: Flag, text: str, known: Sequence[Flag]) -> int:
    """Go's strconv.ParseInt with base 0: a leading 0 is octal."""
    digits = text.replace("_", "")
    if _NUMBER.fullmatch(text) and len(digits) <= 66:
        is_octal = re.fullmatch(r"[+-]?0[0-7]+", digits) is not None
        value = int(digits, 8 if is_octal else 0)
        if -_LARGEST <= value < _LARGEST:
            return value
    raise UsageError(f'invalid value "{text}" for flag -{flag.name}: parse error\n{usage(known)}')
