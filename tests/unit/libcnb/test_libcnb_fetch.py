"""Downloads, from a real server on this machine that can be told to fail."""

from __future__ import annotations

import base64
import hashlib
import http.server
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidFile
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.digest import Digest
from pybuild.libcnb.fetch import Downloads, NotThere, reaches
from pybuild.libcnb.layers import Layers
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = b"a package" * 1000
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(http.server.ThreadingHTTPServer):
    """Answers every path with `content`; the next answers can be said before, as status codes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.next: list[int] = []
        self.etag = ""
        self.cut = 0
        self.location = ""
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.server.asked.append((self.path, {}))
        self.send_response(self.server.next.pop(0))
        self.end_headers()

    def do_GET(self) -> None:
        server = self.server
        server.asked.append((self.path, {name.lower(): text for name, text in self.headers.items()}))
        status = server.next.pop(0) if server.next else 200
        if server.etag and self.headers.get("If-None-Match") == server.etag:
            status = 304
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", server.location)
        if server.etag:
            self.send_header("ETag", server.etag)
        content = server.content if status == 200 else b""
        if status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - server.cut])
        server.cut = 0

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the name is the library's


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def downloads(folder: Path, *, offline: bool = False) -> Downloads:
    return Downloads(folder, offline=offline, pause=0.001)


def test_a_file_is_downloaded_once_and_kept_by_its_digest(tmp_path: Path, server: Server) -> None:
    first = downloads(tmp_path).file(f"{server.url}/p/x-1.tgz", digest=SHA256)
    second = downloads(tmp_path).file(f"{server.url}/p/x-1.tgz", digest=SHA256)

    assert (first, first.read_bytes()) == (second, CONTENT)
    assert [path for path, _ in server.asked] == ["/p/x-1.tgz"]


def test_another_file_than_the_digest_says_is_refused_and_not_kept(tmp_path: Path, server: Server) -> None:
    server.content = b"something else"

    with pytest.raises(Problem, match="not what it should be") as caught:
        downloads(tmp_path).file(f"{server.url}/x?token=secret", digest=SHA256)

    assert SHA256 in caught.value.found
    assert "secret" not in caught.value.found
    assert list((tmp_path / "files").iterdir()) == []


@pytest.mark.parametrize("failures", [[503], [500, 502, 429]])
def test_what_may_be_better_next_time_is_tried_again(
    tmp_path: Path, server: Server, failures: list[int]
) -> None:
    server.next = list(failures)

    assert downloads(tmp_path).read(f"{server.url}/index") == CONTENT
    assert len(server.asked) == len(failures) + 1


def test_an_answer_that_breaks_off_is_asked_for_again(tmp_path: Path, server: Server) -> None:
    server.cut = 5

    assert downloads(tmp_path).file(f"{server.url}/x", digest=SHA256).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_missing_file_is_an_error_of_its_own_at_once(tmp_path: Path, server: Server) -> None:
    server.next = [404]

    with pytest.raises(NotThere, match="no such file"):
        downloads(tmp_path).read(f"{server.url}/x")

    assert len(server.asked) == 1


def test_a_refusal_names_the_status_but_no_password(tmp_path: Path, server: Server) -> None:
    server.next = [401]
    url = server.url.replace("://", "://user:pass@")

    with pytest.raises(Problem) as caught:
        downloads(tmp_path).read(f"{url}/x")

    assert "status 401" in caught.value.found
    assert "pass" not in caught.value.found
    assert server.asked[0][1]["authorization"] == "Basic " + base64.b64encode(b"user:pass").decode()


def test_credentials_are_not_taken_along_to_another_host(tmp_path: Path, server: Server) -> None:
    server.next = [302]
    server.location = server.url.replace("127.0.0.1", "localhost") + "/there"

    downloads(tmp_path).read(f"{server.url}/x", headers={"Authorization": "Bearer t", "Accept": "text/plain"})

    (_, first), (path, second) = server.asked
    assert (first["authorization"], path, second["accept"]) == ("Bearer t", "/there", "text/plain")
    assert "authorization" not in second


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_to_anything_else_is_not_followed(tmp_path: Path, server: Server, location: str) -> None:
    server.next = [302] * 9
    server.location = location

    with pytest.raises(Problem):
        downloads(tmp_path).read(f"{server.url}/x")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "nothing", "https:///x"])
def test_only_http_addresses_are_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(Problem, match="cannot be used"):
        downloads(tmp_path).read(url)


def test_more_bytes_than_allowed_are_not_taken(tmp_path: Path, server: Server) -> None:
    with pytest.raises(Problem, match="too large"):
        downloads(tmp_path).file(f"{server.url}/x", digest=SHA256, limit=len(CONTENT) - 1)


def test_an_unchanged_answer_is_not_sent_again(tmp_path: Path, server: Server) -> None:
    server.etag = '"1"'
    first = downloads(tmp_path).read(f"{server.url}/index")
    server.content = b"never sent"

    assert (first, downloads(tmp_path).read(f"{server.url}/index")) == (CONTENT, CONTENT)


def test_without_a_network_an_earlier_answer_counts_only_where_that_is_allowed(
    tmp_path: Path, server: Server
) -> None:
    url = f"{server.url}/index"
    downloads(tmp_path).read(url)
    server.next = [503] * 9

    assert downloads(tmp_path, offline=True).read(url) == CONTENT
    assert len(server.asked) == 2, "who has an answer does not wait for better days"
    with pytest.raises(Problem, match="answers with an error"):
        downloads(tmp_path).read(url)


def test_offline_the_want_of_an_earlier_answer_is_told(tmp_path: Path, server: Server) -> None:
    server.server_close()

    with pytest.raises(Problem, match="cannot be reached") as caught:
        downloads(tmp_path, offline=True).read(f"{server.url}/index")

    assert caught.value.steps[-1].startswith("No earlier build has kept this: build once with a network")


@pytest.mark.parametrize(("status", "reached"), [(200, True), (404, True), (502, False)])
def test_whether_a_registry_answers_is_asked_only_offline(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str], status: int, reached: bool
) -> None:
    server.next = [status]

    assert reaches(offline_context(tmp_path), f"{server.url}/simple/")
    assert not server.asked
    assert reaches(offline_context(tmp_path, BP_OFFLINE="true"), f"{server.url}/simple/") is reached
    assert ("newer versions cannot be looked up" in capsys.readouterr().err) is not reached


def offline_context(folder: Path, **environ: str) -> BuildContext:
    return BuildContext(
        app=folder,
        buildpack=folder,
        platform=folder,
        layers=Layers(folder / "layers"),
        plan=(),
        store={},
        target=Target(os="linux", arch="amd64"),
        exec_env="production",
        version="1",
        environ=environ,
    )


def test_what_this_build_does_not_use_is_forgotten(tmp_path: Path, server: Server) -> None:
    first = downloads(tmp_path)
    first.file(f"{server.url}/x", digest=SHA256)
    first.read(f"{server.url}/index")
    second = downloads(tmp_path)
    second.read(f"{server.url}/index")

    second.forget_unused()

    assert [file.parent.name for file in tmp_path.rglob("*") if file.is_file()] == ["answers"]


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        (SHA256, "sha256"),
        (f"sha512-{base64.b64encode(hashlib.sha512(CONTENT).digest()).decode()}", "sha512"),
        (f"sha1-{base64.b64encode(hashlib.sha1(CONTENT).digest()).decode()} {SHA256}", "sha256"),
    ],
)
def test_digests_are_read_as_registries_write_them(tmp_path: Path, text: str, algorithm: str) -> None:
    (tmp_path / "x").write_bytes(CONTENT)

    digest = Digest.parse(text)

    assert (digest.algorithm, digest.matches(tmp_path / "x")) == (algorithm, True)


@pytest.mark.parametrize(
    "text", ["", "sha256:abc", "md5:" + "0" * 32, "sha256-" + "A" * 10, "sha512:" + "zz" * 64]
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile, match="no digest"):
        Digest.parse(text)


def test_go_zips_have_the_digest_of_their_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as made:
        made.writestr("m@v1/b", "two")
        made.writestr("m@v1/a", "one")
    lines = "".join(
        f"{hashlib.sha256(text).hexdigest()}  m@v1/{name}\n" for name, text in (("a", b"one"), ("b", b"two"))
    )

    digest = Digest.parse("h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode())

    assert digest.matches(tmp_path / "m.zip")
