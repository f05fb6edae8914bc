"""What a run image is called: the name and mirrors that run.toml, builders and app images state.

Specification: platform.md, "run.toml" and "Run Image Resolution".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.gojson import Struct

if TYPE_CHECKING:
    from pybuild.spec.toml import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class RunImageName:
    """A run image's name and where else it may be found."""

    image: str = ""
    mirrors: tuple[str, ...] = ()

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table; raises `InvalidFile`."""
        return cls(image=table.text("image"), mirrors=table.texts("mirrors"))

    def tree(self) -> Struct:
        """Its object or table."""
        tree = Struct(image=self.image) if self.image else Struct()
        if self.mirrors:
            tree["mirrors"] = list(self.mirrors)
        return tree
