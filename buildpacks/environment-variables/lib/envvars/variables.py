"""What `BPE_` variables mean: Paketo's words, so that a project.toml can be taken along."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envvars import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.libcnb.layers import Operation

PREFIX = "BPE_"

_ASKED = re.compile(r"BPE_(?:(APPEND|DEFAULT|OVERRIDE|PREPEND|DELIM)_)?(.+)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE_KEY|API_?KEY|CREDENTIAL", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One operation on a variable of the app. `delimiter`: None where none was asked for."""

    name: str
    operation: Operation
    value: str
    delimiter: str | None = None

    @property
    def looks_secret(self) -> bool:
        """By its name."""
        return _SECRET.search(self.name) is not None


def read(environ: Mapping[str, str]) -> tuple[Variable, ...]:
    """The operations, by name. Raises a `Problem` for a name that no variable can have, or a delimiter of nothing."""
    asked: dict[str, dict[str, str]] = {}
    for given, value in sorted(environ.items()):
        if not given.startswith(PREFIX):
            continue
        found = _ASKED.fullmatch(given)
        if not found or not _NAME.fullmatch(found[2]):
            raise errors.no_name(given)
        kinds = asked.setdefault(found[2], {})
        kind = (found[1] or "OVERRIDE").lower()
        if kinds.get(kind, value) != value:
            raise errors.twice(found[2])
        kinds[kind] = value
    return tuple(variable for name, kinds in asked.items() for variable in _operations(name, kinds))


def _operations(name: str, kinds: dict[str, str]) -> list[Variable]:
    delimiter = kinds.pop("delim", None)
    if delimiter is not None and not {"append", "prepend"} & kinds.keys():
        raise errors.nothing_to_delimit(name)
    operations: tuple[Operation, ...] = ("default", "override", "append", "prepend")
    return [
        Variable(
            name=name,
            operation=operation,
            value=kinds[operation],
            delimiter=delimiter if operation in ("append", "prepend") else None,
        )
        for operation in operations
        if operation in kinds
    ]
