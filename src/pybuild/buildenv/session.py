"""One conversation with the shell that is a build container's PID 1: messages in, output and a status back.

A `docker exec` costs 65 ms, a message here 2 ms, and the container cannot outlive the one connection that
feeds it. docs/adr/0002-host-driven-lifecycle.md tells why, and what each line of the shell's loop is for.
"""

from __future__ import annotations

import secrets
import select
import ssl
import time
from typing import TYPE_CHECKING

from pybuild.buildenv.session_stream import Frames, Marks
from pybuild.errors import BuildError, EngineUnavailable, TimedOut

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator

    from pybuild.buildenv.pipe import Pipe

# Read by POSIX shells without any other program. k: the key; h n m: a message's head, n lines, its mark;
# p: the subshell that carries it out. A head of 0 lines asks whether that subshell still lives; t: the
# container is to outlive the connection, for who wants to look into it. `kill -9 -1`
# reaches every process of the container but PID 1 and the one that calls it.
LOOP = r"""
IFS= read -r k || exit 0
w=start p= t=
while read -r h n m; do
  if [ "$h" != "$k" ]; then printf '\0%s interfered\n' "$w"; exit 99; fi
  if [ "$n" = 0 ]; then
    z=; [ -z "$p" ] || { read -r _ _ z _ <"/proc/$p/stat"; } 2>/dev/null
    case $z in ''|[ZX]*) z=lost ;; *) z=alive ;; esac
    printf '\0%s %s\n' "$w" "$z"
    continue
  fi
  if [ "$n" = stay ]; then
    t=stay
    printf '\0%s stays\n' "$w"
    continue
  fi
  s= w=$m
  while [ "$n" -gt 0 ]; do
    IFS= read -r l || exit 0
    s="$s$l
" n=$((n - 1))
  done
  kill -9 -1 2>/dev/null
  wait
  printf '\0%s begin\n' "$w"
  (
    unset k
    eval "$s"
    s=$?
    kill -9 -1 2>/dev/null
    until printf '\0%s ended %s\n' "$w" "$s"; do sleep 1; done 2>/dev/null
  ) </dev/null &
  p=$! s=
done
[ -z "$t" ] || exec sleep 2147483647
"""

ASK_SECONDS = 3.0
"""After this long without a byte we ask whether the message is still being carried out."""
SILENCE_SECONDS = 60.0
"""An engine that does not pass on an answer for this long is taken for dead."""
POLL_SECONDS = 0.5
_PAUSE_SECONDS = 0.01
_DIAGNOSTIC_BYTES = 4096


class SessionEnded(Exception):
    """The other end closed the connection: the container or the engine is gone."""


class Session:
    """The host's end of the conversation. It owns `connection`, a hijacked attach stream with input and output.

    `deadline`: the time of `time.monotonic()` at which every wait ends with `TimedOut`; None for never.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.deadline: float | None = None
        self._connection = connection
        self._connection.setblocking(False)
        self._poll = select.poll()
        self._frames = Frames(bytearray())
        # Sent over standard input and kept in a variable that is not exported: in no argv and no environment.
        self._key = secrets.token_hex(16)
        self._complaints = b""
        self._greeted = False
        self._mark = ""

    def carry_out(self, script: bytes, output: Callable[[bytes], None], *, doing: str) -> int:
        """Have `script` run in a fresh subshell; hand on what it writes; return its status when it is over.

        `doing` completes "lost connection to the Docker Engine during …". Everything that the script left
        running is dead when this returns. Raises `SessionEnded`, `TimedOut`, `BuildError`, `EngineUnavailable`.
        """
        pieces = self.stream(script, doing=doing)
        while True:
            try:
                output(next(pieces))
            except StopIteration as end:
                status: int = end.value
                return status

    def stream(self, script: bytes, *, doing: str, pipe: Pipe | None = None) -> Generator[bytes, None, int]:
        """As `carry_out`, with what the script writes as it is asked for; the status is what the generator returns.

        With `pipe`, an empty one, also what it writes there. One that is given up in the middle does no harm:
        the next message kills what still writes.
        """
        before, self._mark = self._mark, secrets.token_hex(16)
        mark, stale = self._mark, f"\0{before or 'start'} ".encode()
        written: list[bytes] = []
        marks = Marks(mark, written.append)
        body = script if script.endswith(b"\n") else script + b"\n"
        lines = body.count(b"\n")
        greeting = "" if self._greeted else f"{self._key}\n"
        self._greeted = True
        self._complaints = b""
        self._send(f"{greeting}{self._key} {lines} {mark}\n".encode() + body, doing)
        asked: float | None = None
        while True:
            data = self._receive(time.monotonic() + ASK_SECONDS, doing, pipe)
            if data is None:
                asked = self._ask_whether_alive(asked, doing)
                continue
            if pipe is not None:
                # Before an answer is looked at: what was written comes before the end of who wrote it.
                while piece := pipe.read():
                    yield piece
                    self._check_deadline(doing)
                if not data:
                    continue
            passed_on, complained = self._frames.split(data)
            if asked is not None and stale in passed_on:
                # The shell speaks of the message before this one: it never got this one.
                raise _interfered(doing, "read from", "reads of")
            asked = None
            self._complaints = (self._complaints + complained)[-_DIAGNOSTIC_BYTES:]
            words = marks.feed(passed_on)
            yield from written
            written.clear()
            for word in words:
                if (status := _status(word, doing)) is not None:
                    return status

    def stay(self) -> None:
        """Have the container outlive this connection, which can carry out nothing more."""
        doing = "keeping the build container"
        self._send(f"{self._key} stay -\n".encode(), doing)
        until = time.monotonic() + SILENCE_SECONDS
        said = b""
        while b" stays\n" not in said:
            data = self._receive(until, doing)
            if data is None:
                raise EngineUnavailable(f"the Docker Engine does not answer during {doing}")
            said = (said + self._frames.split(data)[0])[-_DIAGNOSTIC_BYTES:]

    def close(self) -> None:
        """Hang up; the loop reads the end of its input, and the container ends. May be called again."""
        self._connection.close()

    def complaints(self) -> str:
        """The last 4 KiB that the message just ended wrote to standard error, for the words of a failure."""
        if not self._complaints:
            # It comes by a channel of its own, which may be behind.
            self._drain(time.monotonic() + 0.3)
        return self._complaints.decode(errors="backslashreplace").strip()

    def _drain(self, until: float) -> None:
        try:
            while not self._complaints and (data := self._receive(until, "reading an error")) is not None:
                self._complaints = self._frames.split(data)[1][-_DIAGNOSTIC_BYTES:]
        except SessionEnded:
            return

    def _ask_whether_alive(self, asked: float | None, doing: str) -> float:
        """Ask after a silence, once; give up when no answer comes. Returns when it was asked."""
        if asked is None:
            self._send(f"{self._key} 0 -\n".encode(), doing)
            return time.monotonic()
        if time.monotonic() - asked > SILENCE_SECONDS:
            raise EngineUnavailable(
                f"the Docker Engine has not answered for {SILENCE_SECONDS:.0f} seconds during {doing}",
                hint="sudo systemctl restart docker",
            )
        return asked

    def _receive(self, until: float, doing: str, pipe: Pipe | None = None) -> bytes | None:
        """The next bytes, b"" when there may be some in `pipe`, or None when none came before `until`."""
        while True:
            self._check_deadline(doing)
            try:
                data = self._connection.recv(1 << 18)
            except (BlockingIOError, ssl.SSLWantReadError):
                if (left := until - time.monotonic()) <= 0:
                    return None
                seconds = min(left, POLL_SECONDS)
                if pipe is None:
                    self._wait(select.POLLIN, seconds)
                elif self._has_come(pipe, seconds):
                    return b""
                continue
            except OSError as exc:
                raise SessionEnded(str(exc)) from exc
            if not data:
                raise SessionEnded("end of stream")
            return data

    def _send(self, data: bytes, doing: str) -> None:
        view = memoryview(data)
        stuck_at = time.monotonic() + SILENCE_SECONDS
        while view:
            self._check_deadline(doing)
            try:
                sent = self._connection.send(view[: 1 << 16])
            except (BlockingIOError, ssl.SSLWantWriteError):
                if not self._wait(select.POLLOUT, POLL_SECONDS) and time.monotonic() > stuck_at:
                    raise EngineUnavailable(
                        f"the Docker Engine takes no input during {doing}",
                        hint="sudo systemctl restart docker",
                    ) from None
                continue
            except OSError as exc:
                raise SessionEnded(str(exc)) from exc
            view = view[sent:]
            stuck_at = time.monotonic() + SILENCE_SECONDS

    def _wait(self, event: int, seconds: float) -> bool:
        self._poll.register(self._connection, event)
        return bool(self._poll.poll(seconds * 1000))

    def _has_come(self, pipe: Pipe, seconds: float) -> bool:
        """Wait for the connection or the pipe; whether it is the pipe that has something."""
        self._poll.register(self._connection, select.POLLIN)
        self._poll.register(pipe, select.POLLIN)
        try:
            events = dict(self._poll.poll(seconds * 1000))
        finally:
            self._poll.unregister(pipe)
        if list(events) == [pipe.fileno()] and not events[pipe.fileno()] & select.POLLIN:
            # Nobody writes any more, or yet: that is no reason not to wait.
            self._wait(select.POLLIN, min(seconds, _PAUSE_SECONDS))
            return False
        return bool(events.get(pipe.fileno(), 0) & select.POLLIN)

    def _check_deadline(self, doing: str) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise TimedOut(f"{doing} took longer than the time limit", hint="give it more with --timeout")


def _status(word: bytes, doing: str) -> int | None:
    """The exit status that `word` tells; None when the message is still being carried out."""
    if word in (b"begin", b"alive"):
        return None
    kind, _, number = word.partition(b" ")
    if kind == b"ended" and number.isdigit():
        return int(number)
    if kind == b"interfered":
        raise _interfered(doing, "wrote to", "writes to")
    raise BuildError(
        f"{doing} killed the shell that watches over it",
        hint="look for kill -9 -1 in the buildpack or the app",
    )


def _interfered(doing: str, did: str, what: str) -> BuildError:
    return BuildError(
        f"{doing} interfered with the build: something {did} the build container's control channel",
        hint=f"look for {what} /proc/1/fd/0 in the buildpack or the app",
    )
