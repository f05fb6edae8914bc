"""Reading the files of an app: strangers wrote them, so that each has a size it may have at most."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pybuild.libcnb.problem import Problem


@dataclass(frozen=True, slots=True)
class AppFiles:
    """`mebibytes`: how large a file may be. `told`: makes of a file's name and a reason what the user is told."""

    mebibytes: int
    told: Callable[[str, str], Problem]

    def data(self, file: Path) -> bytes:
        """All of a file. Raises a `Problem`."""
        limit = self.mebibytes << 20
        with file.open("rb") as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise self.told(file.name, f"It is larger than {self.mebibytes} MiB.")
        return data

    def text(self, file: Path) -> str:
        """Its text, without a mark at the beginning; what is no UTF-8 is replaced. Raises a `Problem`."""
        return self.data(file).decode("utf-8-sig", errors="replace")

    def first_line(self, file: Path) -> str:
        """The first line that is no comment; empty when there is no file, or no such line. Raises a `Problem`."""
        if not file.is_file():
            return ""
        lines = (line.strip() for line in self.text(file).splitlines())
        return next((line for line in lines if line and not line.startswith("#")), "")

    def json_object(self, file: Path) -> dict[str, Any]:
        """The JSON object that it holds. Raises a `Problem`."""
        return self.parsed(self.data(file), file.name)

    def parsed(self, data: bytes, name: str) -> dict[str, Any]:
        """The JSON object that the bytes of a file say. Raises a `Problem`."""
        try:
            value = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError) as exc:
            raise self.told(name, f"{exc}.") from exc
        if not isinstance(value, dict):
            raise self.told(name, "It must hold a JSON object, { … }.")
        return value
