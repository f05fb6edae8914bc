"""Layer `uv`: the installer, from its wheel on the package index, its digest checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """The installer and the variables it is run with."""

    program: Path
    environ: Mapping[str, str]
    cache: Path
