"""TOML in and out: typed reading that knows its place, and writing byte for byte as the Go lifecycle does.

Names in files of the specification match whatever their case, an exact match first, as in every lifecycle so far.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from pybuild.errors import InvalidFile
from pybuild.gojson import Struct, decimal_digits, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 1 << 20
_SHOWN = 300

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {
    **{chr(code): f"\\u{code:04x}" for code in (*range(0x20), 0x7F)},
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
}
_ESCAPED = re.compile('[\x00-\x1f"\\\\\x7f]')

_KINDS = {dict: "table", list: "array", str: "string", bool: "boolean", int: "integer", float: "float"}


def load(data: bytes, *, file: str, limit: int = MAX_BYTES) -> Table:
    """The document `data`, of `limit` bytes at most, as a `Table`; `file` names it in messages.

    Raises `InvalidFile` with the line.
    """
    if len(data) > limit:
        raise InvalidFile(f"{file}: larger than {limit} bytes")
    for mark in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        data = data.removeprefix(mark)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise InvalidFile(f"{file}: line {line}: not UTF-8") from exc
    from pybuild.spec import toml_text  # 2 ms of patterns; who only writes needs none

    return Table(toml_text.parse(text, file=file), file=file)


class Verbatim(str):
    """A value that `dumps` writes as it stands."""

    __slots__ = ()


def dumps(value: Mapping[str, Any]) -> str:
    """A document in the layout of Go's BurntSushi/toml: two spaces per level, plain values before tables.

    Keys are sorted, those of a `Struct` keep their order; what is None is left out. Raises `ValueError` for None in
    an array, which TOML cannot say.
    """
    parts: list[str] = []
    _write_table(value, (), parts)
    return "".join(parts)


class Table:
    """One table of a file: typed access by key, with errors that name file and key path.

    An absent key gives the default. Specification files let unknown keys be, so nothing complains of them.
    """

    __slots__ = ("_folded", "_values", "file", "path")

    def __init__(self, values: Mapping[str, Any], *, file: str, path: str = "") -> None:
        self.file = file
        self.path = path
        self._values = values
        self._folded: dict[str, str] = {}
        for key in values:
            self._folded.setdefault(key.casefold(), key)

    def __contains__(self, key: str) -> bool:
        return self._raw(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def raw(self) -> Mapping[str, Any]:
        """The table as plain values."""
        return self._values

    def value(self, key: str) -> Any:
        """Whatever stands at `key`, or None."""
        return self._raw(key)

    def text(self, key: str, default: str = "") -> str:
        """A string."""
        found = self._typed(key, str, "a string")
        return default if found is None else found

    def needed(self, key: str) -> str:
        """A string that must be there and must not be empty."""
        found = self.text(key)
        if not found:
            raise InvalidFile(f"{self.place(key)}: expected a string, found nothing")
        return found

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean."""
        found = self._typed(key, bool, "true or false")
        return default if found is None else found

    def integer(self, key: str, default: int = 0) -> int:
        """An integer."""
        found = self._raw(key)
        if isinstance(found, bool):
            raise self.wrong(key, "an integer", found)
        found = self._typed(key, int, "an integer")
        return default if found is None else found

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """An array of strings."""
        found = self._typed(key, list, "an array of strings")
        if found is None:
            return default
        for item in found:
            if not isinstance(item, str):
                raise self.wrong(key, "an array of strings", item)
        return tuple(found)

    def table(self, key: str) -> Table:
        """The table at `key`; an empty one when absent."""
        return self.optional_table(key) or Table({}, file=self.file, path=self._at(key))

    def optional_table(self, key: str) -> Table | None:
        """The table at `key`, or None."""
        found = self._typed(key, dict, "a table")
        return None if found is None else Table(found, file=self.file, path=self._at(key))

    def tables(self, key: str) -> tuple[Table, ...]:
        """An array of tables."""
        found = self._typed(key, list, "an array of tables")
        for item in found or ():
            if not isinstance(item, dict):
                raise self.wrong(key, "an array of tables", item)
        return tuple(
            Table(item, file=self.file, path=f"{self._at(key)}[{index}]")
            for index, item in enumerate(found or ())
        )

    def children(self) -> Iterator[tuple[str, Table]]:
        """Every key with its table, for tables whose keys are names; raises when one is no table."""
        for key in self._values:
            found = self.optional_table(key)
            if found is not None:
                yield key, found

    def only(self, *known: str) -> Table:
        """This table, if it has none but these keys; else `InvalidFile`. For files whose authors want typing errors told."""
        expected = {key.casefold() for key in known}
        for key in self._values:
            if key.casefold() not in expected:
                raise InvalidFile(f"{self.place(key)}: unknown key; expected one of {', '.join(known)}")
        return self

    def place(self, key: str = "") -> str:
        """File and key path, for messages."""
        path = self._at(key) if key else self.path
        return f"{self.file}: {path[:_SHOWN]}" if path else self.file

    def wrong(self, key: str, expected: str, found: Any) -> InvalidFile:
        """The error for a value of the wrong type."""
        kind = _KINDS.get(type(found), type(found).__name__)
        shown = f" {found!r:.60}" if isinstance(found, str | int | float) else ""
        return InvalidFile(f"{self.place(key)}: expected {expected}, found {kind}{shown}")

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _raw(self, key: str) -> Any:
        if key in self._values:
            return self._values[key]
        return self._values.get(self._folded.get(key.casefold(), ""))

    def _typed(self, key: str, kind: type, expected: str) -> Any:
        found = self._raw(key)
        if found is not None and not isinstance(found, kind):
            raise self.wrong(key, expected, found)
        return found


def _write_table(table: Mapping[str, Any], path: tuple[str, ...], parts: list[str]) -> None:
    plain, nested = _divided(table)
    indent = "  " * len(path)
    for key, value in plain:
        parts.append(f"{indent}{_key(key)} = {_inline(value)}\n")
    for key, value in nested:
        inner = (*path, key)
        name = ".".join(map(_key, inner))
        if isinstance(value, Mapping):
            blank = "\n" if parts and not path else ""
            parts.append(f"{blank}{indent}[{name}]\n")
            _write_table(value, inner, parts)
            continue
        for item in value:
            blank = "\n" if parts else ""
            parts.append(f"{blank}{indent}[[{name}]]\n")
            _write_table(item, inner, parts)


def _divided(table: Mapping[str, Any]) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """The keys with plain values, and those with a table or an array of tables; each in the order to write."""
    pairs = [(key, value) for key, value in table.items() if value is not None]
    if not isinstance(table, Struct):
        pairs.sort(key=lambda pair: pair[0])
    nested = [pair for pair in pairs if _is_nested(pair[1])]
    return [pair for pair in pairs if not _is_nested(pair[1])], nested


def _is_nested(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping)


def _inline(value: Any) -> str:
    if isinstance(value, Verbatim):
        return value
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, datetime | date | time):
        return timestamp(value)
    if isinstance(value, Mapping):
        plain, nested = _divided(value)
        return "{" + ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in (*plain, *nested)) + "}"
    if isinstance(value, list | tuple):
        if any(item is None for item in value):
            raise ValueError("TOML has no form for None in an array")
        return f"[{', '.join(map(_inline, value))}]"
    raise TypeError(f"{type(value).__name__} has no TOML form")


def _float(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    sign, digits, point = decimal_digits(value)
    if value == 0:
        return f"{sign}0.0"
    if not -4 < point <= 6:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        exponent = point - 1
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda found: _ESCAPES[found[0]], text) + '"'
