"""Work done beside the main thread: a few senders, the first fault of whom ends it for all.

Threads are daemons and never waited for on the way out: a registry that hangs must not keep Ctrl-C waiting (G2).
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Self

from pybuild.events import Progress, emit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 4
_LOOK_SECONDS = 0.2


class Senders:
    """Carries out what is submitted, in threads. Leaving the block with an error abandons what is under way."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._work: queue.SimpleQueue[Callable[[], int]] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._open = 0
        self._fault: BaseException | None = None
        self._threads = 0
        self.total = 0
        self.passed = 0
        self.sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.passed:
            emit(Progress(label=self._label, done=-1))
        for _ in range(self._threads):
            self._work.put(_end)

    def submit(self, work: Callable[[], int]) -> None:
        """Have it done; what it returns is added to `sent`. Raises what an earlier one failed with."""
        self._raise()
        with self._changed:
            self._open += 1
        if self._threads < THREADS:
            self._threads += 1
            threading.Thread(target=self._serve, name="pybuild-push", daemon=True).start()
        self._work.put(work)

    def wait(self) -> None:
        """Return when all is done; raise as soon as one failed."""
        while True:
            with self._changed:
                if self._fault is None and self._open:
                    self._changed.wait(_LOOK_SECONDS)
                done = not self._open
            self._raise()
            if done:
                return
            if self.passed:
                emit(Progress(label=self._label, done=min(self.passed, self.total), total=self.total))

    def counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces, shown as progress."""
        for piece in pieces:
            self.passed += len(piece)
            yield piece

    def _raise(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _serve(self) -> None:
        while (work := self._work.get()) is not _end:
            fault: BaseException | None = None
            sent = 0
            if self._fault is None:
                try:
                    sent = work()
                except BaseException as exc:  # noqa: BLE001 - it is raised where all are waited for
                    fault = exc
            with self._changed:
                self._open -= 1
                self.sent += sent
                self._fault = self._fault or fault
                self._changed.notify_all()


def _end() -> int:
    return 0
