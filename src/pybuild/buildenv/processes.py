"""Programs of this machine run side by side, each in its own session that is killed when it ends.

One loop in the calling thread reads everything they write, so that Ctrl-C stops them all.
"""

# Paths here are any bytes, opened by descriptor where it matters.
# ruff: noqa: PTH112, PTH208

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pybuild.buildenv.api import Command

CHUNK = 1 << 16
WROTE_TOO_MUCH = 128 + signal.SIGXFSZ
"""What a shell says of a program whose file grew too large; a container's loop has no other way."""


def run(
    commands: Sequence[Command],
    outputs: Sequence[Callable[[bytes], None]],
    *,
    user: tuple[int, int] | None = None,
    most: int = 0,
) -> list[int]:
    """Run every command at the same time; call each one's `output` with its chunks; return their statuses.

    `user`: uid and gid to become, without supplementary groups. `most`: bytes that each may write, 0 for no limit;
    one that writes more is killed, with `WROTE_TOO_MUCH` as its status. Other statuses as in `Completed`.
    """
    statuses = [-1] * len(commands)
    with ExitStack() as cleanup, selectors.DefaultSelector() as selector:
        for index, (command, output) in enumerate(zip(commands, outputs, strict=True)):
            try:
                running = _start(index, command, output, user, most)
            except (OSError, ValueError) as exc:
                said = f"cannot start {command.argv[0]}: {_reason(command, exc)}\n"
                output(said.encode(errors="surrogateescape"))
                continue
            cleanup.callback(running.end)
            selector.register(running.pipe, selectors.EVENT_READ, running)
            selector.register(running.ended, selectors.EVENT_READ, running)
        while selector.get_map():
            for key, _ in selector.select():
                if isinstance(running := key.data, _Running) and key.fileobj in selector.get_map():
                    _serve(selector, running, key.fileobj == running.ended, statuses)
    return statuses


@dataclass(slots=True, eq=False)
class _Running:
    """A started program: `pipe` has its output, `ended` is at its end when the program is."""

    index: int
    process: subprocess.Popen[bytes]
    output: Callable[[bytes], None]
    pipe: int
    ended: int
    waiter: threading.Thread
    most: int
    written: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it has written more than it may."""
        return 0 < self.most < self.written

    def end(self) -> int:
        """Kill what is left of the session and reap the program; return its status. May be called again."""
        if self.process.returncode is None:
            # Not reaped yet, so that its id, which is the session's too, cannot be another's.
            _kill_session(self.process.pid)
            self.waiter.join()
            self.process.wait()
            os.close(self.ended)
            if self.process.stdout is not None:
                self.process.stdout.close()
        if self.is_over:
            return WROTE_TOO_MUCH
        code = self.process.returncode
        return 128 - code if code < 0 else code


def _start(
    index: int, command: Command, output: Callable[[bytes], None], user: tuple[int, int] | None, most: int
) -> _Running:
    process = subprocess.Popen(
        command.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=command.cwd,
        env=dict(command.environ),
        start_new_session=True,
        user=None if user is None else user[0],
        group=None if user is None else user[1],
        extra_groups=None if user is None else [],
        bufsize=0,
    )
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    ended, ending = os.pipe()
    waiter = threading.Thread(target=_wait, args=(process.pid, ending), daemon=True)
    waiter.start()
    return _Running(index, process, output, pipe, ended, waiter, most)


def _wait(pid: int, ending: int) -> None:
    # The end of the pipe cannot tell that the program ended: a background child may hold it open.
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    os.close(ending)


def _serve(selector: selectors.BaseSelector, running: _Running, has_ended: bool, statuses: list[int]) -> None:
    if not has_ended:
        if _read_chunk(running) == b"" or running.is_over:
            selector.unregister(running.pipe)
        if running.is_over:
            _kill_session(running.process.pid)
        return
    _kill_session(running.process.pid)
    # What is in the pipe now was written before the end; a process that got away may write for ever.
    for _ in range(1 + (1 << 20) // CHUNK):
        if not _read_chunk(running):
            break
    with suppress(KeyError):
        selector.unregister(running.pipe)
    selector.unregister(running.ended)
    statuses[running.index] = running.end()


def _read_chunk(running: _Running) -> bytes | None:
    """Hand on what the pipe holds and return it: None when that is nothing now, b"" at its end."""
    try:
        chunk = os.read(running.pipe, CHUNK)
    except BlockingIOError:
        return None
    if chunk:
        running.written += len(chunk)
        running.output(chunk)
    return chunk


def _kill_session(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    # Job control (`set -m`) gives background children other groups, in the same session.
    for pid in _session_members(leader):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _session_members(leader: int) -> list[int]:
    members = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdecimal():
            with suppress(OSError):
                if os.getsid(int(name)) == leader:
                    members.append(int(name))
    return members


def _reason(command: Command, exc: OSError | ValueError) -> str:
    if not isinstance(exc, OSError):
        return str(exc)
    what = exc.strerror or str(exc)
    # The working directory, where that is what is missing.
    return what if exc.filename in (None, command.argv[0]) else f"{exc.filename}: {what}"
