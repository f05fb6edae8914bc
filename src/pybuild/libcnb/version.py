"""What languages' version constraints have in common: numbers to compare, ranges as tests, the newest that passes.

The languages of constraints (npm's, Composer's, PEP 440) are their buildpacks'.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_DIGITS = 18
Numbers = tuple[int, int, int]
Test = Callable[[Numbers], bool]


def numbers(version: str) -> Numbers:
    """Major, minor and patch; what is missing is 0: `v20.1` → (20, 1, 0)."""
    # No version has numbers that long, and Python refuses to read the longest ones.
    found = [int(part[:MOST_DIGITS]) for part in re.findall(r"\d+", version)[:3]]
    major, minor, patch = (*found, 0, 0, 0)[:3]
    return major, minor, patch


def after(version: str) -> Numbers:
    """The first version that does not begin with this one: 8.2 → 8.3.0, 8 → 9.0.0, 8.2.1 → 8.2.2."""
    major, minor, patch = numbers(version)
    match version.count("."):
        case 0:
            return major + 1, 0, 0
        case 1:
            return major, minor + 1, 0
        case _:
            return major, minor, patch + 1


def at_least(low: Numbers) -> Test:
    """`low` and everything above."""
    return lambda found: found >= low


def below(high: Numbers) -> Test:
    """Everything under `high`."""
    return lambda found: found < high


def series(version: str) -> Test:
    """Everything that begins with this version: `8.2` passes 8.2.0 and 8.2.36."""
    low, high = numbers(version), after(version)
    return lambda found: low <= found < high


def compatible(version: str) -> Test:
    """`^`: nothing that breaks what this version has: below the next major one, or before 1.0 the next minor one."""
    low = numbers(version)
    if low[0] or version.count(".") == 0:
        high = (low[0] + 1, 0, 0)
    elif low[1] or version.count(".") == 1:
        high = (0, low[1] + 1, 0)
    else:
        high = (0, 0, low[2] + 1)
    return lambda found: low <= found < high


def anything(_: Numbers) -> bool:
    """Any version."""
    return True


def is_release(version: str) -> bool:
    """Whether it is numbers only, as `1.2.3` and `v1.2`, and no release candidate or the like."""
    return re.fullmatch(r"v?\d+(\.\d+)*", version) is not None


def newest(versions: Iterable[str], accepts: Test) -> str:
    """The newest release that passes; empty when none does."""
    passing = [version for version in versions if is_release(version) and accepts(numbers(version))]
    return max(passing, key=numbers, default="")
