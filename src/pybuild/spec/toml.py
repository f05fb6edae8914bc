"""TOML in and out: typed reading that knows its place, and writing byte for byte as the Go lifecycle does.

Names in files of the specification match whatever their case, an exact match first, as in every lifecycle so far.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pybuild.errors import InvalidFile

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 1 << 20
MAX_DEPTH = 64

_KINDS = {dict: "table", list: "array", str: "string", bool: "boolean", int: "integer", float: "float"}


def load(data: bytes, *, file: str, limit: int = MAX_BYTES) -> Table:
    """The document `data` as a `Table`; `file` names it in messages. Raises `InvalidFile`."""
    if len(data) > limit:
        raise InvalidFile(f"{file}: larger than {limit} bytes")
    try:
        return Table(tomllib.loads(data.decode("utf-8-sig")), file=file)
    except (ValueError, RecursionError) as exc:
        raise InvalidFile(f"{file}: not TOML: {exc}") from exc


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
            Table(item, file=self.file, path=f"{self._at(key)}[{index}]") for index, item in enumerate(found or ())
        )

    def children(self) -> Iterator[tuple[str, Table]]:
        """Every key with its table, for tables whose keys are names; raises when one is no table."""
        for key in self._values:
            found = self.optional_table(key)
            if found is not None:
                yield key, found

    def place(self, key: str = "") -> str:
        """File and key path, for messages."""
        path = self._at(key) if key else self.path
        return f"{self.file}: {path}" if path else self.file

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
