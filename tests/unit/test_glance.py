"""A look at the engine's images without its SDK: what counts as an answer, and who is asked where there is none."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from pybuild import engine as engine_module
from pybuild.engine import NotFound, connect, find_endpoint, open_socket
from pybuild.errors import EngineUnavailable
from pybuild.glance import Glance
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

IMAGE = {"Id": "sha256:" + "a" * 64, "Config": {}}


class Sdk:
    """Stands for the long way: says that it was gone."""

    def inspect_image(self, image: str) -> str:
        return f"SDK: {image}"

    def history(self, image: str) -> str:
        return f"SDK: {image}"

    def tag(self, *words: str) -> str:
        return f"SDK: {words}"


@contextmanager
def answering(folder: Path, answer: bytes) -> Iterator[tuple[Glance, list[bytes]]]:
    """A socket file behind which each connection gets `answer`; the first lines of what came."""
    path, asked = str(folder / "engine.sock"), list[bytes]()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(1 << 16).partition(b"\r\n")[0])
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    sdk: Any = Sdk()
    try:
        yield Glance(lambda: open_socket(path), lambda: sdk), asked
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def reply(body: object, *, status: str = "200 OK", protocol: str = "HTTP/1.0") -> bytes:
    return f"{protocol} {status}\r\nContent-Type: application/json\r\n\r\n{json.dumps(body)}".encode()


def test_what_the_engine_says_of_an_image_is_taken_as_it_is(tmp_path: Path) -> None:
    with answering(tmp_path, reply(IMAGE)) as (glance, asked):
        assert glance.inspect_image("a.example/b c:1") == IMAGE

    assert asked == [b"GET /images/a.example/b%20c:1/json HTTP/1.0"]


def test_a_history_is_a_list(tmp_path: Path) -> None:
    with answering(tmp_path, reply([{"Created": 1}])) as (glance, asked):
        assert glance.history("x") == [{"Created": 1}]

    assert asked == [b"GET /images/x/history HTTP/1.0"]


def test_an_image_that_is_not_there_is_no_reason_to_ask_again(tmp_path: Path) -> None:
    with (
        answering(tmp_path, reply({"message": "No such image: x"}, status="404 Not Found")) as (
            glance,
            asked,
        ),
        pytest.raises(NotFound, match="No such image: x"),
    ):
        glance.inspect_image("x")

    assert len(asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense",
        b"\x00" * 3000,
        reply(IMAGE)[:-5],
        reply(IMAGE, status="500 Internal Server Error"),
        reply({"message": "moved"}, status="301 Moved Permanently"),
        reply("no object"),
        reply([]),
        reply({}, status="404 Not Found"),
        reply(IMAGE, protocol="ICY"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 100_000,
    ],
    ids=str,
)
def test_whatever_is_no_plain_answer_is_asked_for_again(tmp_path: Path, answer: bytes) -> None:
    with answering(tmp_path, answer) as (glance, asked):
        assert glance.inspect_image("x") == "SDK: x"

    assert len(asked) == 1


def test_an_engine_that_is_silent_is_not_waited_for_longer_than_a_greeting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-03"""
    monkeypatch.setattr(engine_module, "GREETING_SECONDS", 0.2)
    path, sdk = str(tmp_path / "engine.sock"), cast("Any", Sdk())
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        before = time.monotonic()

        assert Glance(lambda: open_socket(path), lambda: sdk).inspect_image("x") == "SDK: x"

    assert time.monotonic() - before < allowed(5)


def test_an_engine_that_is_gone_is_told_in_the_words_of_the_long_way(tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/nobody.sock"
    glance = Glance(lambda: open_socket(f"{tmp_path}/nobody.sock"), lambda: connect({"DOCKER_HOST": host}))

    with pytest.raises(EngineUnavailable, match="there is no Docker Engine at"):
        glance.inspect_image("x")


def test_all_else_is_asked_through_the_sdk(tmp_path: Path) -> None:
    with answering(tmp_path, reply(IMAGE)) as (glance, asked):
        assert glance.tag("a", "b") == "SDK: ('a', 'b')"

    assert asked == []


@pytest.mark.docker
def test_both_ways_say_the_same_of_a_real_image(engine: docker.APIClient, tiny_image: str) -> None:
    path = find_endpoint(os.environ).host.removeprefix("unix://")
    glance = Glance(lambda: open_socket(path), lambda: engine)

    assert glance.inspect_image(tiny_image) == engine.inspect_image(tiny_image)
    assert glance.history(tiny_image) == engine.history(tiny_image)
