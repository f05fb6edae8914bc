"""Running a tool during a build: its output shown as it comes or kept, its failure told with what it said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import BuildError
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LAST_LINES = 30
# So many are kept to look for the cause in: npm says it first, and then a page of usage.
KEPT_LINES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a tool ended. `code` is negative when a signal killed it; the texts are decoded leniently."""

    code: int
    stdout: str
    stderr: str


class ToolFailed(BuildError):
    """A tool ended with a status other than 0, or could not be started.

    `output`: what it said last, to be shown; `log`: more of it, to look for the cause in.
    """

    def __init__(self, message: str, *, output: str = "", log: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.output = output
        self.log = log or output


def capture(
    argv: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 600,
) -> Result:
    """Run a tool quietly to its end, whatever its status. `environ` is added to ours. Raises `ToolFailed`."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(environ or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ToolFailed(f"{words[0]} did not end within {timeout:.0f} seconds") from exc
    except OSError as exc:
        raise _cannot_start(words[0], exc) from exc
    return Result(
        code=done.returncode,
        stdout=done.stdout.decode(errors="replace"),
        stderr=done.stderr.decode(errors="replace"),
    )


def read(
    argv: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 600,
) -> str:
    """A tool's stdout. Raises `ToolFailed` with what it said when it ends with another status than 0."""
    done = capture(argv, environ=environ, cwd=cwd, timeout=timeout)
    if done.code:
        raise ToolFailed(f"{_shown(argv)} {_ended(done.code)}", output=_last(done.stderr or done.stdout))
    return done.stdout


def run(
    argv: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    indent: str = "      ",
) -> None:
    """Run a tool and show every line it writes, stdout and stderr together, as it comes. Raises `ToolFailed`."""
    words = [str(word) for word in argv]
    last: deque[str] = deque(maxlen=KEPT_LINES)
    try:
        process = subprocess.Popen(
            words,
            env={**os.environ, **(environ or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as exc:
        raise _cannot_start(words[0], exc) from exc
    with process:
        assert process.stdout is not None
        # A line without end must not fill the memory: at most 64 KiB of it are shown at a time.
        while piece := process.stdout.readline(1 << 16):
            line = piece.decode(errors="replace").rstrip("\r\n")
            last.append(line)
            sys.stdout.write(f"{indent}{line}\n")
            sys.stdout.flush()
    if process.returncode:
        log = "\n".join(last)
        raise ToolFailed(f"{_shown(argv)} {_ended(process.returncode)}", output=_last(log), log=log)


def explained(failure: ToolFailed, heading: str, *, steps: tuple[str, ...] = ()) -> Problem:
    """The failure as a `Problem`: what failed, the last lines it wrote, what to try."""
    said = f"\n\nIt said:\n\n{failure.output}" if failure.output else ""
    return Problem(heading, f"{failure}.{said}", steps=steps)


def _cannot_start(name: str, exc: OSError) -> ToolFailed:
    reason = exc.strerror or str(exc)
    return ToolFailed(f"{name} cannot be started: {reason}", hint=f"The build image must have {name}.")


def _shown(argv: Sequence[str | Path]) -> str:
    text = " ".join(str(word) for word in argv)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _ended(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"


def _last(text: str) -> str:
    return "\n".join(text.strip().split("\n")[-LAST_LINES:])
