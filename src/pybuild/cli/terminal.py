"""A program in a container on this terminal: raw bytes both ways, the window's size, and the terminal as it was afterwards."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import sys
import termios
import tty
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pybuild import engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import docker


def enter(client: docker.APIClient, container: str, words: Sequence[str], *, user: str) -> int:
    """Run a program in a running container; its exit code. Without a terminal it gets no input."""
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    environ = {"TERM": os.environ.get("TERM", "xterm")}
    with engine.translating("entering the build container"):
        made: Any = client.exec_create(
            container, list(words), stdin=interactive, tty=interactive, user=user, environment=environ
        )
        if interactive:
            _converse(client, made["Id"])
        else:
            pass_on(client.exec_start(made["Id"], stream=True, demux=True))
        return int(client.exec_inspect(made["Id"])["ExitCode"] or 0)


def pass_on(output: Iterable[tuple[bytes | None, bytes | None]]) -> None:
    """Bytes of a program's standard output and error as they come, each kind where it belongs."""
    for out, err in output:
        for data, stream in ((out, sys.stdout), (err, sys.stderr)):
            if data:
                stream.buffer.write(data)
                stream.buffer.flush()


def _converse(client: Any, program: str) -> None:
    found = client.exec_start(program, tty=True, socket=True)
    # A read-only file over the connection, but with TLS, where it is the connection itself.
    connection: socket.socket = found if isinstance(found, socket.socket) else found._sock  # noqa: SLF001
    with _raw(sys.stdin.fileno()), _resizing(client, program):
        _relay(connection, sys.stdin.fileno(), sys.stdout.fileno())
    found.close()


def _relay(connection: socket.socket, source: int, target: int) -> None:
    """Bytes both ways until the program hangs up."""
    sources: list[Any] = [connection, source]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if connection in ready:
            data = connection.recv(1 << 16)
            if not data:
                return
            _write(target, data)
        if source in ready:
            typed = os.read(source, 1 << 12)
            if typed:
                connection.sendall(typed)
            else:
                sources.remove(source)
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def _resizing(client: Any, program: str) -> Iterator[None]:
    """The program's window has the size of ours, whenever that changes."""

    def resize(*_: object) -> None:
        size = shutil.get_terminal_size()
        with suppress(Exception):  # the program may have ended
            client.exec_resize(program, height=size.lines, width=size.columns)

    before = signal.signal(signal.SIGWINCH, resize)
    resize()
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
