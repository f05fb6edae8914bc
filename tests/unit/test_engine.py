"""Finding the Docker Engine, and what is said when there is none."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors
import pytest
import requests
import urllib3.exceptions

from pybuild import engine
from pybuild.engine import Endpoint
from pybuild.errors import (
    BuildError,
    DiskFull,
    EngineDenied,
    EngineUnavailable,
    InvalidFile,
    InvalidInput,
    PybuildError,
)
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator


def context(home: Path, name: str, meta: object, *files: str) -> dict[str, str]:
    """A docker configuration in `home` whose current context is `name`."""
    key = hashlib.sha256(name.encode()).hexdigest()
    folder = home / "contexts" / "meta" / key
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps(meta))
    tls = home / "contexts" / "tls" / key / "docker"
    tls.mkdir(parents=True)
    for file in files:
        (tls / file).touch()
    (home / "config.json").write_text(json.dumps({"currentContext": name}))
    return {"DOCKER_CONFIG": str(home), "XDG_RUNTIME_DIR": "/nope", "HOME": "/nope"}


class TestFindEndpoint:
    def test_docker_host_counts_first(self, tmp_path: Path) -> None:
        environ = context(tmp_path, "far", {"Endpoints": {"docker": {"Host": "tcp://far:2376"}}})

        assert engine.find_endpoint({**environ, "DOCKER_HOST": "tcp://a:1"}) == Endpoint(host="tcp://a:1")

    def test_tls_variables_bring_the_certificates_that_exist(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").touch()
        environ = {"DOCKER_HOST": "tcp://a:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}

        assert engine.find_endpoint(environ) == Endpoint(
            host="tcp://a:1", tls=True, verify=True, ca=str(tmp_path / "ca.pem")
        )

    def test_the_current_context_is_used_with_its_certificates(self, tmp_path: Path) -> None:
        meta = {"Endpoints": {"docker": {"Host": "tcp://far:2376", "SkipTLSVerify": False}}}
        environ = context(tmp_path, "far", meta, "ca.pem", "cert.pem", "key.pem")

        found = engine.find_endpoint(environ)

        assert (found.host, found.tls, found.verify) == ("tcp://far:2376", True, True)
        assert [Path(file).name for file in (found.ca, found.cert, found.key)] == [
            "ca.pem",
            "cert.pem",
            "key.pem",
        ]

    def test_docker_context_counts_before_the_current_one(self, tmp_path: Path) -> None:
        environ = context(tmp_path, "near", {"Endpoints": {"docker": {"Host": "unix:///near.sock"}}})
        (tmp_path / "config.json").write_text('{"currentContext": "other"}')

        assert engine.find_endpoint({**environ, "DOCKER_CONTEXT": "near"}).host == "unix:///near.sock"

    def test_a_context_that_does_not_exist_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="no Docker context 'gone'"):
            engine.find_endpoint({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "gone"})

    @pytest.mark.parametrize("meta", [[], {}, {"Endpoints": {"docker": 1}}, {"Endpoints": {}}, None, "x"])
    def test_a_broken_context_names_its_file(self, tmp_path: Path, meta: object) -> None:
        with pytest.raises(InvalidFile, match=r"meta\.json: expected a Docker context"):
            engine.find_endpoint(context(tmp_path, "far", meta))

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"currentContext": 1}', "[" * 100_000])
    def test_a_broken_configuration_is_as_good_as_none(self, tmp_path: Path, text: str) -> None:
        """F-30"""
        (tmp_path / "config.json").write_text(text)

        assert engine.find_endpoint({"DOCKER_CONFIG": str(tmp_path)}).host.startswith("unix:///")

    def test_a_rootless_socket_is_found_where_there_is_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "DEFAULT_SOCKET", str(tmp_path / "nope"))
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "docker.sock"))

            found = engine.find_endpoint({"XDG_RUNTIME_DIR": str(tmp_path), "HOME": "/nope"})

        assert found == Endpoint(host=f"unix://{tmp_path}/docker.sock")


class TestConnect:
    @pytest.mark.parametrize(
        ("host", "said"),
        [
            ("unix:///nope/docker.sock", "there is no Docker Engine at unix:///nope/docker.sock"),
            ("unix:///etc/passwd", "no Docker Engine listens at unix:///etc/passwd"),
            ("tcp://127.0.0.1:1", "no Docker Engine listens at tcp://127.0.0.1:1"),
            ("junk://", "what listens at junk://"),
            ("ssh://me@far", "is reached by ssh"),
        ],
    )
    def test_an_engine_that_cannot_be_reached_is_told_at_once(self, host: str, said: str) -> None:
        """F-03"""
        before = time.monotonic()

        with pytest.raises(EngineUnavailable) as caught:
            engine.connect({"DOCKER_HOST": host})

        assert said in str(caught.value)
        assert caught.value.hint
        assert time.monotonic() - before < allowed(2)

    def test_a_socket_that_refuses_us_names_the_group(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """F-03; the tests may run as root, whom no socket refuses."""

        def refuse(path: str) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(engine, "open_socket", refuse)

        with pytest.raises(EngineDenied) as caught:
            engine.connect({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"})
        assert "usermod -aG docker" in caught.value.hint

    def test_a_mute_engine_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """F-03"""
        monkeypatch.setattr(engine, "GREETING_SECONDS", 0.3)

        with (
            listener(b"") as host,
            pytest.raises(EngineUnavailable, match=r"did not answer within 0\.3 seconds"),
        ):
            engine.connect({"DOCKER_HOST": host})

    @pytest.mark.parametrize(
        "answer",
        [
            b"hello\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{{{",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
            b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
        ],
    )
    def test_an_answer_that_is_no_engines_is_told(self, answer: bytes) -> None:
        """F-03"""
        with (
            listener(answer) as host,
            pytest.raises(EngineUnavailable, match="does not answer as a Docker Engine"),
        ):
            engine.connect({"DOCKER_HOST": host})


class TestTranslate:
    @pytest.mark.parametrize(
        ("status", "message", "kind"),
        [
            (404, "No such image: x", engine.NotFound),
            (409, "name in use", engine.Conflict),
            (
                500,
                "the container name x is already in use by y: that name is already in use",
                engine.Conflict,
            ),
            (500, "container x does not exist in database: no such container", engine.NotFound),
            (500, "write /x: no space left on device", DiskFull),
            (500, "something else", PybuildError),
        ],
    )
    def test_an_answer_of_the_engine_has_its_kind(self, status: int, message: str, kind: type) -> None:
        answer = requests.Response()
        answer.status_code = status
        answer._content = json.dumps({"message": message}).encode()

        for exc in (docker.errors.APIError("x", response=answer), requests.HTTPError(response=answer)):
            found = engine.translate(exc, "reading x")
            assert type(found) is kind
            assert "reading x" in str(found)

    @pytest.mark.parametrize(
        "exc",
        [
            ConnectionResetError(104, "Connection reset by peer"),
            requests.ConnectionError("x"),
            urllib3.exceptions.ProtocolError("x"),
            docker.errors.DockerException("x"),
            TimeoutError("timed out"),
        ],
    )
    def test_a_connection_that_breaks_is_a_lost_engine(self, exc: Exception) -> None:
        with (
            pytest.raises(EngineUnavailable, match="lost connection to the Docker Engine during bin/build"),
            engine.translating("bin/build"),
        ):
            raise exc

    def test_a_full_disk_here_is_told_as_such(self) -> None:
        with pytest.raises(DiskFull, match="this machine"), engine.translating("writing"):
            raise OSError(28, "No space left on device")

    @pytest.mark.parametrize(
        "exc", [BuildError("x"), FileNotFoundError(2, "x"), KeyError("x"), KeyboardInterrupt()]
    )
    def test_errors_of_others_pass_unchanged(self, exc: BaseException) -> None:
        with pytest.raises(type(exc)) as caught, engine.translating("x"):
            raise exc
        assert caught.value is exc


@contextmanager
def listener(answer: bytes) -> Iterator[str]:
    """A server that gives everyone the same answer, or never one."""
    ended = threading.Event()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0.1)

        def serve() -> None:
            open_ends = []
            while not ended.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                if answer:
                    connection.recv(4096)
                    connection.sendall(answer)
                    connection.close()
                else:
                    open_ends.append(connection)
            for connection in open_ends:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


def test_a_signal_is_not_the_reason_of_what_fails_after_it() -> None:
    """What is said of a container that could not be removed after Ctrl-C."""

    def remove() -> None:
        raise requests.exceptions.ReadTimeout("read timed out")

    try:
        raise KeyboardInterrupt("2")
    except KeyboardInterrupt:
        with pytest.raises(EngineUnavailable) as caught, engine.translating("removing"):
            remove()

    assert str(caught.value).endswith("during removing: read timed out")
