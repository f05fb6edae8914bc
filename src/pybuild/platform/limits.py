"""How much of the machine a build may take: the words of `--memory`, `--cpus` and `--pids-limit`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pybuild.errors import InvalidInput

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_LEAST_MEMORY = 6 << 20  # what engines demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`memory`: bytes, `cpus`: number of them, `processes`: most at a time; 0 for no limit."""

    memory: int = 0
    cpus: float = 0
    processes: int = 0


def read_limits(*, memory: str | None, cpus: float | None, processes: int | None) -> Limits:
    """The limits that these words make. Raises `InvalidInput` for one that means nothing."""
    if cpus is not None and not 0.01 <= cpus <= 4096:
        raise InvalidInput(f"--cpus {cpus} is no number of CPUs: expected 0.01 or more", hint="--cpus 1.5")
    if processes is not None and not 1 <= processes <= 1 << 22:
        raise InvalidInput(
            f"--pids-limit {processes} is no number of processes: expected 1 or more", hint="--pids-limit 500"
        )
    return Limits(memory=_bytes(memory) if memory else 0, cpus=cpus or 0, processes=processes or 0)


def _bytes(word: str) -> int:
    """`512m`, `2g`, `1.5GiB` or a number of bytes, as engines count: in powers of 1024."""
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([bkmgt]?)(?:i?b)?", word.strip().lower())
    size = int(float(found[1]) * _UNITS[found[2]]) if found else 0
    if size < _LEAST_MEMORY:
        raise InvalidInput(
            f"--memory {word!r} is no amount of memory: expected 6m or more, such as 512m or 2g",
            hint="--memory 2g",
        )
    return size
