"""TOML 1.1 text to plain values, in time and memory that grow with its length, whoever wrote it.

The standard library's reader is not used: it knows TOML 1.0 only, while buildpacks are written for lifecycles that
take 1.1; it cuts nanoseconds; and dotted keys of hostile files cost it the square of their length.

Specification: https://toml.io/en/v1.1.0
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any, NoReturn

from pybuild.errors import InvalidFile
from pybuild.gojson import PreciseDatetime

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 64

_BANNED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_BLANK = re.compile(r"[ \t]*+")
_SKIP = re.compile(r"(?:[ \t\r\n]|#[^\n]*+)*+")
_LINE_END = re.compile(r"[ \t]*+(?:#[^\n]*+)?(?:\r?\n|\Z)")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]++")
_BASIC = re.compile(r'"((?:[^"\\\n]|\\[^\n])*+)"')
_LITERAL = re.compile(r"'([^'\n]*+)'")
# What ends a long string, and what does not although it looks so. One expression for a whole string would need a
# possessive repetition with more in it than Python before 3.11.5 gets right.
_LONG_BASIC = re.compile(r'\\.|"{3,5}', re.DOTALL)
_LONG_LITERAL = re.compile("'{3,5}")
_FIRST_BREAK = re.compile(r"\r?\n")
_ESCAPE = re.compile(
    r"\\(?:([btnfre\"\\])|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([ \t]*\r?\n[ \t\r\n]*)|)"
)
_ENDLESS = "the string ends nowhere"
_SHORT = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}
_WORD = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9:.Zz+-]*+|[A-Za-z0-9_+.:-]++")

_DIGITS = "[0-9](?:_?[0-9])*+"
_WHOLE = "[+-]?(?:0|[1-9](?:_?[0-9])*+)"
_INTEGER = re.compile(f"{_WHOLE}|0x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*+|0o[0-7](?:_?[0-7])*+|0b[01](?:_?[01])*+")
_FLOAT = re.compile(rf"{_WHOLE}(?:\.{_DIGITS})?(?:[eE][+-]?{_DIGITS})?")
_SPECIAL = re.compile(r"[+-]?(?:inf|nan)")
_CLOCK = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?"
_DATE = re.compile(
    rf"([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}})(?:[Tt ]{_CLOCK}([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})?)?"
)
_TIME = re.compile(_CLOCK)


def parse(text: str, *, file: str) -> dict[str, Any]:
    """The document's values: dict, list, str, int (of 64 bits), float, bool and the types of `datetime`.

    Raises `InvalidFile` with `file` and the line.
    """
    return _Reader(text, file).document()


class _Reader:
    """Walks over the text once; `at` is the next character to look at."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.at = 0
        # How each table and array came about, by identity: "header", "implied" (on the way to a header), "dotted"
        # (on the way to a key) or "array" (of [[headers]]). Those without entry are inline, and so complete.
        self.origin: dict[int, str] = {}

    def document(self) -> dict[str, Any]:
        banned = _BANNED.search(self.text)
        if banned:
            self.fail(f"control character {banned[0]!a}", banned.start())
        root: dict[str, Any] = {}
        table, depth = root, 0
        while self.skip():
            if self.peek("["):
                table, depth = self.header(root)
            else:
                self.pair(table, depth)
            if not self.take(_LINE_END):
                self.fail("expected the end of the line")
        return root

    def header(self, root: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """`[a.b]` or `[[a.b]]`: the table that the next lines fill, and how deep it lies."""
        start = self.at
        many = self.peek("[[")
        self.at += 2 if many else 1
        keys = self.keys(0)
        self.expect("]]" if many else "]")
        parent = root
        for key in keys[:-1]:
            parent = self.parent(parent, key, start)
        found: Any = parent.get(keys[-1])
        if found is None:
            found = parent[keys[-1]] = [] if many else {}
            self.origin[id(found)] = "array" if many else "header"
        elif self.origin.get(id(found)) != ("array" if many else "implied"):
            self.fail(f"{keys[-1]!r} is there already", start)
        if many:
            found.append({})
            found = found[-1]
        self.origin[id(found)] = "header"
        return found, len(keys)

    def parent(self, table: dict[str, Any], key: str, start: int) -> dict[str, Any]:
        """One step on the path of a header; an array of tables stands for its last one."""
        found = table.get(key)
        if found is None:
            found = table[key] = {}
            self.origin[id(found)] = "implied"
        elif self.origin.get(id(found)) == "array":
            found = found[-1]
        if self.origin.get(id(found)) not in {"header", "implied", "dotted"}:
            self.fail(f"{key!r} is there already, and cannot be added to", start)
        return found

    def pair(self, table: dict[str, Any], depth: int) -> None:
        """`a.b = value`"""
        start = self.at
        keys = self.keys(depth)
        self.expect("=")
        for key in keys[:-1]:
            found = table.get(key)
            if found is None:
                found = table[key] = {}
            elif self.origin.get(id(found)) not in {"dotted", "implied"}:
                self.fail(f"{key!r} is there already, and cannot be added to", start)
            self.origin[id(found)] = "dotted"
            table = found
        if keys[-1] in table:
            self.fail(f"{keys[-1]!r} is there already", start)
        self.take(_BLANK)
        table[keys[-1]] = self.value(depth + len(keys))

    def keys(self, depth: int) -> list[str]:
        """A dotted key."""
        keys = [self.key()]
        while self.peek("."):
            self.at += 1
            keys.append(self.key())
            if depth + len(keys) > MAX_DEPTH:
                self.fail(f"nested deeper than {MAX_DEPTH} levels")
        return keys

    def key(self) -> str:
        self.take(_BLANK)
        if self.peek('"'):
            found = self.basic()
        elif self.peek("'"):
            found = self.demand(_LITERAL, _ENDLESS)[1]
        else:
            found = self.demand(_BARE_KEY, "expected a key")[0]
        self.take(_BLANK)
        return found

    def value(self, depth: int) -> Any:
        if self.peek('"""'):
            return self.unescaped(self.at, self.long(_LONG_BASIC), _unescape_long)
        if self.peek("'''"):
            return self.long(_LONG_LITERAL)
        if self.peek('"'):
            return self.basic()
        if self.peek("'"):
            return self.demand(_LITERAL, _ENDLESS)[1]
        if depth > MAX_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH} levels")
        if self.peek("["):
            return self.array(depth)
        if self.peek("{"):
            return self.inline_table(depth)
        start = self.at
        word = self.demand(_WORD, "expected a value")[0]
        try:
            return _scalar(word)
        except ValueError as exc:
            self.fail(str(exc), start)

    def array(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while self.more(found, "]"):
            found.append(self.value(depth + 1))
        return found

    def inline_table(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        while self.more(found, "}"):
            self.pair(found, depth)
        return found

    def more(self, found: list[Any] | dict[str, Any], closing: str) -> bool:
        """Go past blanks and the comma between elements; False once past `closing`."""
        self.skip()
        if found and not self.peek(closing):
            self.expect(",")
            self.skip()
        if not self.peek(closing):
            return True
        self.at += 1
        return False

    def basic(self) -> str:
        start = self.at
        return self.unescaped(start, self.demand(_BASIC, _ENDLESS)[1], _unescape)

    def long(self, pattern: re.Pattern[str]) -> str:
        """The text of a string in three quotes; one or two more before those that end it belong to it."""
        begin = self.at
        self.at += 3
        self.take(_FIRST_BREAK)
        start = self.at
        for found in pattern.finditer(self.text, start):
            if not found[0].startswith("\\"):
                self.at = found.end()
                return self.text[start : found.end() - 3]
        return self.fail(_ENDLESS, begin)

    def unescaped(self, start: int, text: str, unescape: Callable[[re.Match[str]], str]) -> str:
        if "\\" not in text:
            return text
        try:
            return _ESCAPE.sub(unescape, text)
        except ValueError as exc:
            self.fail(str(exc), start)

    def skip(self) -> bool:
        """Go past blanks, comments and ends of lines; whether anything follows."""
        self.take(_SKIP)
        return self.at < len(self.text)

    def peek(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def demand(self, pattern: re.Pattern[str], problem: str) -> re.Match[str]:
        return self.take(pattern) or self.fail(problem)

    def expect(self, text: str) -> None:
        if not self.peek(text):
            wanted = "'.' or '='" if text == "=" else text
            found = f", but got {self.text[self.at]!r} instead" if self.at < len(self.text) else ""
            self.fail(f"expected {wanted}{found}")
        self.at += len(text)

    def fail(self, problem: str, at: int | None = None) -> NoReturn:
        line = self.text.count("\n", 0, self.at if at is None else at) + 1
        raise InvalidFile(f"{self.file}: line {line}: {problem:.200}")


def _unescape(found: re.Match[str]) -> str:
    short, *codes, newline = found.groups()
    if short:
        return _SHORT[short]
    code = next(filter(None, codes), None)
    if code is None or newline:
        raise ValueError("unknown escape after a backslash")
    if 0xD800 <= int(code, 16) < 0xE000 or int(code, 16) > 0x10FFFF:
        raise ValueError(f"{code} is no character")
    return chr(int(code, 16))


def _unescape_long(found: re.Match[str]) -> str:
    return "" if found[5] else _unescape(found)


def _scalar(word: str) -> Any:
    if word in {"true", "false"}:
        return word == "true"
    if _INTEGER.fullmatch(word):
        return _integer(word)
    if _FLOAT.fullmatch(word) or _SPECIAL.fullmatch(word):
        number = float(word)
        if math.isinf(number) and not word.endswith("inf"):
            raise ValueError(f"{word:.40} is too large for a number")
        return number
    found = _DATE.fullmatch(word)
    if found:
        return _date(found)
    found = _TIME.fullmatch(word)
    if found:
        return _clock(*found.groups())
    raise ValueError(f"{word:.40} is no value; strings stand in quotes")


def _integer(word: str) -> int:
    # A thousand digits are no number of 64 bits, whatever leads them, and converting many takes long.
    number = int(word, 0) if len(word) <= 1000 else 1 << 64
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"{word:.40} is too large for a number")
    return number


def _date(found: re.Match[str]) -> date:
    day = date(*map(int, found.groups()[:3]))
    if found[4] is None:
        return day
    zone = None
    if found[8]:
        hours, minutes = (0, 0) if found[8] in "Zz" else map(int, found[8][1:].split(":"))
        if hours > 23 or minutes > 59:
            raise ValueError(f"{found[8]} is no time zone")
        offset = timedelta(hours=hours, minutes=minutes)
        zone = timezone(-offset if found[8].startswith("-") else offset)
    moment = datetime.combine(day, _clock(*found.groups()[3:7]), zone)
    nanosecond = int((found[7] or "0")[:9].ljust(9, "0"))
    return PreciseDatetime.at(moment, nanosecond) if nanosecond % 1000 else moment


def _clock(hour: str, minute: str, second: str | None, fraction: str | None) -> time:
    return time(int(hour), int(minute), int(second or 0), int((fraction or "0")[:6].ljust(6, "0")))
