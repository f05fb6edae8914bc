"""Requests that the Docker SDK makes, but not as a build needs them: raw, with time limits, closed for sure."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pybuild.engine import REQUEST_SECONDS, translating
from pybuild.errors import PybuildError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker
    import requests

_BLOCK = 512


def attach(client: docker.APIClient, container: str) -> socket.socket:
    """The two-way stream of a container's standard input and multiplexed outputs; the caller closes it."""
    with translating("attaching to the build container"):
        found: Any = client.attach_socket(container, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        if isinstance(found, socket.socket):
            # Over TLS this is the connection itself, with state that no second descriptor could share.
            return found
        # Else it is a read-only file over the connection, which its HTTP objects would close one day.
        connection: socket.socket = found._sock  # noqa: SLF001 (there is no public way to it)
        found.close()
        return connection


@contextmanager
def download(client: docker.APIClient, container: str, path: str) -> Iterator[Iterator[bytes]]:
    """A tar of the tree at `path`, streamed; raises `PybuildError` at its end if that is not a tar's end.

    Unlike the SDK's, it has a limit on silence, and gives the connection up when the block is left early.
    """
    doing = f"reading {path}"
    with translating(doing):
        answer = client.get(
            _url(client, container, "/archive"),
            params={"path": path},
            headers={"Accept-Encoding": "identity"},
            stream=True,
            timeout=REQUEST_SECONDS,
        )
    try:
        with translating(doing):
            answer.raise_for_status()
        yield _chunks(answer, doing)
    finally:
        answer.close()


def remove(client: docker.APIClient, container: str, *, seconds: float) -> None:
    """Kill and remove a container and its nameless volumes; raises `PybuildError` as `engine.translate` does."""
    with translating("removing the build container"):
        answer = client.delete(_url(client, container, ""), params={"force": "1", "v": "1"}, timeout=seconds)
        answer.raise_for_status()


def _chunks(answer: requests.Response, doing: str) -> Iterator[bytes]:
    """The body, and proof that it is whole: an engine that fails halfway just stops sending."""
    length, last = 0, b""
    with translating(doing):
        for chunk in answer.raw.stream(1 << 18, decode_content=False):
            length += len(chunk)
            last = chunk[-2 * _BLOCK :] if len(chunk) >= 2 * _BLOCK else (last + chunk)[-2 * _BLOCK :]
            yield chunk
    if length % _BLOCK or last != bytes(2 * _BLOCK):
        raise PybuildError(f"the Docker Engine stopped in the middle of {doing}", hint="build again")


def _url(client: docker.APIClient, container: str, rest: str) -> str:
    return f"{client.base_url}/v{client.api_version}/containers/{container}{rest}"
