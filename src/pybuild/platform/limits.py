"""How much of the machine a build may take: the words of `--memory`, `--cpus`, `--pids-limit` and `--log-limit`."""

from __future__ import annotations

from dataclasses import dataclass

from pybuild.buildenv.output_limit import DEFAULT, amount
from pybuild.errors import InvalidInput

_LEAST_MEMORY = 6 << 20  # what engines demand
DEFAULT_LOG = amount(DEFAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`memory`: bytes, `cpus`: number of them, `processes`: most at a time, `log`: bytes of output; 0 for no limit."""

    memory: int = 0
    cpus: float = 0
    processes: int = 0
    log: int = DEFAULT_LOG


def read_limits(
    *, memory: str | None, cpus: float | None, processes: int | None, log: str | None = None
) -> Limits:
    """The limits that these words make. Raises `InvalidInput` for one that means nothing."""
    if cpus is not None and not 0.01 <= cpus <= 4096:
        raise InvalidInput(f"--cpus {cpus} is no number of CPUs: expected 0.01 or more", hint="--cpus 1.5")
    if processes is not None and not 1 <= processes <= 1 << 22:
        raise InvalidInput(
            f"--pids-limit {processes} is no number of processes: expected 1 or more", hint="--pids-limit 500"
        )
    size = amount(memory) if memory else 0
    if memory and size < _LEAST_MEMORY:
        raise InvalidInput(
            f"--memory {memory!r} is no amount of memory: expected 6m or more, such as 512m or 2g",
            hint="--memory 2g",
        )
    most = amount(log) if log else DEFAULT_LOG
    if most < 0:
        raise InvalidInput(
            f"--log-limit {log!r} is no amount of output: expected something such as 100m or 2g, or 0 for no limit",
            hint="--log-limit 2g",
        )
    return Limits(memory=size, cpus=cpus or 0, processes=processes or 0, log=most)
