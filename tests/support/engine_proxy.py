"""A socket between us and the engine that lets everything pass and remembers what was asked."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_REQUEST = re.compile(
    rb"(?:^|\r\n\r\n|\}|0\r\n\r\n)(GET|HEAD|PUT|POST|DELETE) /(?:v[0-9.]+/)?([^ ?]*)[^ ]* HTTP/1\.1\r\n"
)
_CHUNK = 1 << 16


class EngineProxy:
    """Listens at `path` for the engine at `engine`. `asked`: method and path, ids of containers as `ID`.

    `received`: bytes that the engine answered, `sent`: bytes that it was given. `gone_at`: the request, such as
    `POST images/load`, at which the engine is lost for good.
    """

    def __init__(self, path: Path, engine: str) -> None:
        self.host = f"unix://{path}"
        self._engine = engine
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._open: list[socket.socket] = []
        self.gone_at = ""
        self.clear()

    def clear(self) -> None:
        """Forget what was asked so far."""
        self.asked: list[str] = []
        self.sent = self.received = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for open_ in (self._server, *self._open):
            with contextlib.suppress(OSError):
                open_.shutdown(socket.SHUT_RDWR)
            open_.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._server.accept()
                theirs = socket.socket(socket.AF_UNIX)
                theirs.connect(self._engine)
                self._open += [ours, theirs]
                for ends in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        # Each request begins a piece of its own: clients send one after the answer to the one before.
        with contextlib.suppress(OSError):
            to_engine = source.getsockname() != ""
            while data := source.recv(_CHUNK):
                if to_engine:
                    self.sent += len(data)
                    self.asked += [
                        f"{method.decode()} {re.sub('[0-9a-f]{64}', 'ID', path.decode())}"
                        for method, path in _REQUEST.findall(data)
                    ]
                    if self.gone_at and self.gone_at in self.asked:
                        self.__exit__(None, None, None)
                        return
                else:
                    self.received += len(data)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
