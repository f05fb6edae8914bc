"""Where an app is reached, in words."""

from __future__ import annotations

import socket
import threading

import pytest

from pybuild import events
from pybuild.errors import InvalidInput
from pybuild.platform.images.run import Port, _await_answer, read_port


@pytest.mark.parametrize(
    ("word", "port", "url"),
    [
        ("8080", Port(inner=8080, outer=8080), "http://localhost:8080"),
        ("3000:8080", Port(inner=8080, outer=3000), "http://localhost:3000"),
        ("0.0.0.0:80:8080", Port(inner=8080, outer=80, host="0.0.0.0"), "http://localhost:80"),
        ("192.0.2.1:80:8080", Port(inner=8080, outer=80, host="192.0.2.1"), "http://192.0.2.1:80"),
        ("[::1]:80:81", Port(inner=81, outer=80, host="::1"), "http://[::1]:80"),
    ],
)
def test_a_port_is_this_machines_alone_unless_a_host_is_named(word: str, port: Port, url: str) -> None:
    assert read_port(word) == port
    assert port.url == url


@pytest.mark.parametrize("word", ["", "0", "65536", "a", "80:", ":80", "1:2:3:4", "localhost:80:80", "80:0"])
def test_what_is_no_port_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match="PORT"):
        read_port(word)


def test_an_app_answers_once_a_connection_is_kept_open() -> None:
    heard: list[events.Event] = []
    hung_up, kept = [], []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(3):
                connection, _ = server.accept()
                # As an engine's proxy does while the app does not listen yet.
                connection.close()
                hung_up.append(connection)
            kept.append(server.accept()[0])

        threading.Thread(target=serve, daemon=True).start()
        port = Port(inner=8080, outer=server.getsockname()[1])
        with events.listening(heard.append):
            _await_answer(port, seconds=30)
        kept[0].close()

    assert heard == [events.Info(f"http://localhost:{port.outer} answers")]
    assert len(hung_up) == 3
