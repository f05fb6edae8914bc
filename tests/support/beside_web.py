"""Processes of an image that run beside its web server: workers and schedulers, watched by what they change."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.expectation import Expectation, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from support.sample import Served
    from support.services import Service


@dataclass(slots=True)
class Running:
    """`said` and `ended` are known once its block has ended."""

    said: str = ""
    ended: int = -1


@contextmanager
def process(
    engine: docker.APIClient, image: str, kind: str, service: Service, expected: Expectation
) -> Iterator[Running]:
    """Another process type beside the service, stopped by SIGTERM when the block ends."""
    host_config: Any = engine.create_host_config(
        read_only=True,
        tmpfs={"/tmp": ""},
        network_mode=service.network,
        binds=[f"{service.volume}:/bindings:ro"],
    )
    made = engine.create_container(
        image, entrypoint=[kind], environment=dict(expected.run_env), host_config=host_config
    )
    container = str(made["Id"])
    found = Running()
    try:
        engine.start(container)
        yield found
        engine.kill(container, signal="SIGTERM")
        found.ended = engine.wait(container, timeout=60)["StatusCode"]
    finally:
        found.said = engine.logs(container).decode(errors="replace")
        engine.remove_container(container, force=True, v=True)


def until(served: Served, path: str, wanted: str, *, seconds: int = 60) -> str:
    """The answer at a path, once it has the text."""
    end = time.monotonic() + seconds
    while True:
        status, _, body = served.ask(Request(path=path, headers={}))
        text = body.decode()
        if wanted in text:
            return text
        assert time.monotonic() < end, (
            f"{path}: {status} without {wanted!r} after {seconds} s:\n{text}\n{served.logs()}"
        )
        time.sleep(1)
