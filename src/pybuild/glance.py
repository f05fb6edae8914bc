"""A look at the Docker Engine's images without its SDK, whose import takes longer than all else in a short phase.

What every phase asks is asked plainly, over the engine's socket. Whatever comes that is no plain answer is asked for
again through the SDK: its answers and its errors count.

Docker Engine API, "Inspect an image", "Get the history of an image".
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pybuild import engine

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    import docker

_MOST = 64 << 20


class Glance:
    """A client for an engine's images: a `docker.APIClient` that is only made when more is asked for than a look.

    `opener`: gives a connection to the engine's socket; `connect`: makes that client.
    """

    def __init__(self, opener: Callable[[], socket.socket], connect: Callable[[], docker.APIClient]) -> None:
        self._opener = opener
        self._connect = connect

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sdk, name)

    def inspect_image(self, image: str) -> Any:
        """What the engine says of an image. Raises `NotFound` where it has none of that name."""
        found = self._looked(f"/images/{quote(image, safe='/:@')}/json")
        return found if isinstance(found, dict) else self._sdk.inspect_image(image)

    def history(self, image: str) -> Any:
        """How an image was made, the newest step first."""
        found = self._looked(f"/images/{quote(image, safe='/:@')}/history")
        return found if isinstance(found, list) else self._sdk.history(image)

    @cached_property
    def _sdk(self) -> Any:
        return self._connect()

    def _looked(self, path: str) -> Any:
        """The JSON that the engine answers; None for anything else."""
        try:
            with self._opener() as connection:
                # Who is silent for that long is greeted by the SDK, which tells it, or waits longer.
                connection.settimeout(engine.GREETING_SECONDS)
                # Of HTTP 1.0 an answer ends with its connection, and is never in chunks.
                connection.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
                with connection.makefile("rb") as answer:
                    head, _, body = answer.read(_MOST).partition(b"\r\n\r\n")
            protocol, status, _ = head.split(b" ", 2)
            found = json.loads(body)
        except (OSError, ValueError, RecursionError):
            return None
        if status == b"404" and isinstance(found, dict) and "message" in found:
            raise engine.NotFound(f"the Docker Engine says: {found['message']}")
        return found if status == b"200" and protocol.startswith(b"HTTP/1.") else None
