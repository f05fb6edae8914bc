"""What a buildpack shows while it works: a heading, sections, steps and how long the slow ones took.

Plain text on stdout, a line at a time, without colour: the platform decides how logs look.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def heading(text: str) -> None:
    """The buildpack's name and version, once."""
    _say(f"{text}\n")


def section(text: str) -> None:
    """A part of the work, or a decision with its reason."""
    _say(f"  {text}\n")


def step(text: str) -> None:
    """One thing done inside a section."""
    _say(f"    {text}\n")


def steps(lines: tuple[str, ...] | list[str], *, most: int = 12) -> None:
    """Several of them; of a long list the first `most`, then how many more there were."""
    shown = lines if len(lines) <= most + 1 else lines[:most]
    for line in shown:
        step(line)
    if len(shown) < len(lines):
        step(f"… and {len(lines) - len(shown)} more")


def warning(text: str) -> None:
    """Something the user should know, on stderr; later lines are indented."""
    sys.stdout.flush()
    first, *rest = text.split("\n")
    print("\n".join([f"  WARNING: {first}", *(f"    {line}" for line in rest)]), file=sys.stderr, flush=True)


@contextmanager
def timed(text: str) -> Iterator[None]:
    """A step that takes a while: what it is and, once done, its seconds. A failure shows no time."""
    started = time.monotonic()
    yield
    step(f"{text} ({time.monotonic() - started:.1f} s)")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
