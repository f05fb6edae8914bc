"""How much the programs of a build may write to their outputs, and how such an amount is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pybuild.errors import TooMuchOutput

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT = "1g"
"""More than anybody has ever read, and less than a disk that keeps logs has."""

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class Written:
    """What was written so far by programs that share a limit. `who` is stopped, and `setting` allows more."""

    def __init__(self, who: str, setting: str) -> None:
        self._who = who
        self._setting = setting
        self._bytes = 0

    def counting(
        self, program: str, output: Callable[[bytes], None], *, most: int
    ) -> Callable[[bytes], None]:
        """`output` that raises `TooMuchOutput` after `most` bytes of all programs; 0 for no limit."""

        def pass_on(data: bytes) -> None:
            self._bytes += len(data)
            if 0 < most < self._bytes:
                raise TooMuchOutput(
                    f"{program} was stopped: {self._who} has written more than {most} bytes to its output",
                    hint=f"see above what it repeats; {self._setting} allows more",
                )
            output(data)

        return pass_on


def amount(word: str) -> int:
    """`512m`, `2g`, `1.5GiB` or a number of bytes, as engines count: in powers of 1024. -1 for what is none."""
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([bkmgt]?)(?:i?b)?", word.strip().lower())
    return int(float(found[1]) * _UNITS[found[2]]) if found else -1
