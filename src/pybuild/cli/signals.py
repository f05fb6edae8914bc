"""How the process ends. Ctrl-C and SIGTERM: the first ends the work in order, the second at once."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

UNCHANGED = "the previous image and cache are as they were"
"""What to say to who has stopped a build."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked us to end. Not an `Exception`, so that no broad `except` on the way takes it.

    `number`: the signal's; the exit code is 128 + number, as shells count.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What a shell would say of a program that this signal ended."""
        return 128 + self.number


def carry_out(work: Callable[[], int]) -> NoReturn:
    """Do `work` and end the process with its exit code. SIGINT, SIGTERM and SIGHUP raise `Stopped` in it, the first time.

    A signal while this begins or ends is no traceback either.
    """
    try:
        _listen()
        code = work()
        for name in _SIGNALS:
            signal.signal(name, signal.SIG_DFL)
    except Stopped as exc:
        sys.stderr.write(f"ERROR: stopped\n  hint: {UNCHANGED}\n")
        code = exc.exit_code
    end(code)


def _listen() -> None:
    seen: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if seen:
            # The container ends with us: its shell reads the end of its input and the engine removes it.
            os._exit(128 + number)
        seen.append(number)
        raise Stopped(number)

    for name in _SIGNALS:
        signal.signal(name, on_signal)


def end(code: int) -> NoReturn:
    """End the process, once all is written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            # Nobody reads any more; Python would complain about it when it closes the stream.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    # Everything is closed and written. To free all modules one by one takes Python 30 ms more, and helps nobody.
    os._exit(code)
