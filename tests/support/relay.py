"""The Docker Engine's socket at another place, for who has another root directory."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def relayed(socket_path: str, place: Path) -> Iterator[None]:
    """Have a socket file at `place`, only root's, that leads to `socket_path`, until the block ends."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(socket_path)
                back = threading.Thread(target=_copy, args=(engine, self.request), daemon=True)
                back.start()
                _copy(self.request, engine)
                back.join()

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
        block_on_close = False

    place.unlink(missing_ok=True)
    with Server(str(place), Handler) as server:
        place.chmod(0o600)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            place.unlink()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
