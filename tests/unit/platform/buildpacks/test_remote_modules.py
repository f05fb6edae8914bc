"""Words for modules that are elsewhere: what they mean, and files from the web (T1-04, T2-45, GO-97)."""

from __future__ import annotations

import gzip
import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import InvalidArchive, InvalidFile, InvalidInput
from pybuild.oci import tar
from pybuild.platform.builders.builder_create import flatten_groups
from pybuild.platform.builders.lifecycle_archive import from_archive, read
from pybuild.platform.builders.made import engine_target, expanded, parse_labels, parse_targets
from pybuild.platform.buildpacks.download import DownloadFailed, NotThere, download
from pybuild.platform.buildpacks.locator import locate
from pybuild.platform.buildpacks.package import platform_folder
from pybuild.spec.target import Distro, TargetSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("./bp", ("path", "./bp")),
        ("file:///x/y.tgz", ("path", "/x/y.tgz")),
        ("https://example.com/bp.tgz", ("url", "https://example.com/bp.tgz")),
        ("docker://acme/bp:1", ("image", "acme/bp:1")),
        ("docker:/acme/bp", ("image", "acme/bp")),
        ("urn:cnb:registry:acme/bp@1.0.0", ("registry", "acme/bp@1.0.0")),
        ("urn:cnb:builder:acme/bp@1.0.0", ("builder", "acme/bp@1.0.0")),
        ("from=builder:acme/bp", ("builder", "acme/bp")),
        ("urn:cnb:builder", ("whole builder", "")),
        ("from=builder", ("whole builder", "")),
        ("in/builder@2.0.0", ("builder", "in/builder@2.0.0")),
        ("acme/bp@1.0.0", ("registry", "acme/bp@1.0.0")),
        ("acme/bp", ("registry", "acme/bp")),
        ("localhost:5000/acme/bp", ("image", "localhost:5000/acme/bp")),
        ("acme/bp:1.0", ("image", "acme/bp:1.0")),
        (f"acme/bp@{DIGEST}", ("image", f"acme/bp@{DIGEST}")),
        ("bp", ("unknown", "bp")),
        ("../none", ("unknown", "../none")),
        ("ftp://example.com/bp", ("unknown", "ftp://example.com/bp")),
    ],
)
def test_a_word_is_what_it_looks_like(tmp_path: Path, word: str, expected: tuple[str, str]) -> None:
    """GO-97."""
    (tmp_path / "bp").mkdir() if word == "./bp" else None

    found = locate(word, folder=tmp_path, in_builder={"in/builder"})

    assert (found.kind, found.rest) == expected


@contextmanager
def web(answers: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """A server, and what it was asked: each path with the ETag that came along."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            etag = self.headers.get("If-None-Match", "")
            seen.append(f"{self.path} {etag}".strip())
            status, headers, body = answers.get(self.path, (404, {}, b""))
            if etag and headers.get("ETag") == etag:
                status, body = 304, b""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_file_comes_once_as_long_as_it_stays_the_same() -> None:
    """T2-45."""
    answers = {"/bp.tgz": (200, {"ETag": '"1"'}, b"one")}
    with web(answers) as (url, seen):
        first = download(f"{url}/bp.tgz", environ={}).read_bytes()
        again = download(f"{url}/bp.tgz", environ={}).read_bytes()
        answers["/bp.tgz"] = (200, {"ETag": '"2"'}, b"two")
        changed = download(f"{url}/bp.tgz", environ={}).read_bytes()

    assert (first, again, changed) == (b"one", b"one", b"two")
    assert seen == ["/bp.tgz", '/bp.tgz "1"', '/bp.tgz "1"']
    # Nobody answers any more: what was there before serves.
    assert download(f"{url}/bp.tgz", environ={}).read_bytes() == b"two"


def test_redirects_are_followed_and_what_is_missing_is_told() -> None:
    answers = {
        "/a": (302, {"Location": "/b"}, b""),
        "/b": (200, {}, b"here"),
        "/loop": (302, {"Location": "/loop"}, b""),
        "/bad": (500, {}, b""),
        "/cut": (200, {"Content-Length": "10"}, b"abc"),
    }
    with web(answers) as (url, seen):
        assert download(f"{url}/a", environ={}).read_bytes() == b"here"
        with pytest.raises(NotThere, match="there is nothing at"):
            download(f"{url}/none", environ={})
        with pytest.raises(DownloadFailed, match="more than 5 redirects"):
            download(f"{url}/loop", environ={})
        with pytest.raises(DownloadFailed, match="status 500") as caught:
            download(f"{url}/bad", environ={})
        with pytest.raises(DownloadFailed, match="larger than 2 bytes"):
            download(f"{url}/b", environ={}, most=2)

    assert caught.value.exit_code == 10
    assert seen.count("/none") == 1
    assert seen.count("/bad") == 3


def test_a_url_may_say_what_is_meant() -> None:
    """Issue 5, 8: nothing is taken for what it is not."""
    digest = hashlib.sha256(b"one").hexdigest()
    with web({"/bp.tgz": (200, {}, b"one")}) as (url, _):
        assert download(f"{url}/bp.tgz#sha256={digest}", environ={}).read_bytes() == b"one"
        with pytest.raises(DownloadFailed, match=f"has the digest {digest}, expected {'0' * 64}"):
            download(f"{url}/bp.tgz#sha256={'0' * 64}", environ={})
        with pytest.raises(InvalidInput, match="after # stands 'md5=1'"):
            download(f"{url}/bp.tgz#md5=1", environ={})


def archive(*names: str, text: str = "") -> bytes:
    descriptor = text or (
        '[lifecycle]\nversion = "1.2.3"\n[apis.buildpack]\nsupported = ["0.10", "0.9"]\n'
        '[apis.platform]\ndeprecated = ["0.7"]\nsupported = ["0.12"]\n'
    )
    files = {"lifecycle.toml": descriptor.encode(), **{f"lifecycle/{name}": b"x" for name in names}}
    return b"".join(
        tar.write(
            (tar.TarEntry(name.encode(), tar.FILE, 0o755, 0, 0, len(content)), content)
            for name, content in files.items()
        )
    )


PROGRAMS = ("analyzer", "builder", "creator", "detector", "exporter", "launcher", "restorer")


def test_a_lifecycle_says_what_it_speaks() -> None:
    """GO-90, BTM-02."""
    found = from_archive(archive(*PROGRAMS), "it")

    assert found.version == "1.2.3"
    assert (found.buildpack.oldest, found.platform.oldest) == ("0.9", "0.7")
    names = [member.name for member, _ in tar.read([found.layer])]
    assert names[0] == b"/cnb/lifecycle"
    assert names[-1] == b"/lifecycle"
    assert b"/cnb/lifecycle/creator" in names


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (archive(*PROGRAMS[1:]), InvalidArchive, "it has no lifecycle/analyzer"),
        (b"".join(tar.write([])), InvalidArchive, "it has no lifecycle.toml"),
        (b"\x1f\x8b\x08broken", InvalidArchive, "cannot be unpacked|cut off"),
        (archive(*PROGRAMS, text='[lifecycle]\nversion = "1"\n'), InvalidFile, "apis.buildpack.supported"),
        (archive(*PROGRAMS, text="[apis]\n"), InvalidFile, "lifecycle.version"),
    ],
)
def test_what_is_no_lifecycle_is_refused(data: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        from_archive(data, "it")


def test_our_own_lifecycle_is_one(lifecycle_archive: Path) -> None:
    """BTM-02, GO-90: from the archive, and from the last layer of a lifecycle image."""
    found = read(lifecycle_archive)
    members = [
        (member._replace(name=b"/cnb/" + member.name), body.read(most=1 << 26))
        for member, body in tar.read([gzip.decompress(lifecycle_archive.read_bytes())])
    ]
    image = from_archive(b"".join(tar.write(map(_entry, members))), "an image")

    assert found.version.startswith("0.21.17+pybuild.")
    assert image == found


def _entry(member: tuple[tar.Member, bytes]) -> tuple[tar.TarEntry, bytes]:
    about, content = member
    return tar.TarEntry(about.name, about.kind, about.mode, 0, 0, len(content), about.linkname), content


@pytest.mark.parametrize(
    ("word", "target"),
    [
        ("linux", TargetSpec(os="linux")),
        ("linux/arm/v6", TargetSpec(os="linux", arch="arm", variant="v6")),
        (
            "linux/amd64:debian@12;ubuntu",
            TargetSpec(
                os="linux", arch="amd64", distros=(Distro(name="debian", version="12"), Distro(name="ubuntu"))
            ),
        ),
    ],
)
def test_a_target_is_read_and_written(word: str, target: TargetSpec) -> None:
    """T2-36."""
    assert parse_targets([f"{word},linux/s390x"]) == (target, TargetSpec(os="linux", arch="s390x"))
    assert str(target) == word


@pytest.mark.parametrize(
    "word", ["", "amd64", "linux/", "linux/amd64/v1/x", "linux/x86", "linux:@12", "linux:a@1@2"]
)
def test_what_is_no_target_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        TargetSpec.parse(word)

    assert caught.value.hint


def test_labels_and_groups_are_read() -> None:
    assert parse_labels(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    assert flatten_groups(("a/b@1,c@2", "d@3")) == (frozenset({"a/b@1", "c@2"}), frozenset({"d@3"}))
    for wrong in (["a"], ["=b"]):
        with pytest.raises(InvalidInput):
            parse_labels(wrong)
    with pytest.raises(InvalidInput, match="invalid format c"):
        flatten_groups(("a@1,c",))


def test_the_engine_takes_the_target_that_it_is() -> None:
    class Engine:
        def version(self) -> dict[str, str]:
            return {"Os": "linux", "Arch": "arm64"}

    wanted = [TargetSpec(os="linux", arch="amd64"), TargetSpec(os="linux", arch="arm64")]

    assert engine_target(Engine(), wanted) == wanted[1]
    with pytest.raises(InvalidInput, match="is the engine's platform, linux/arm64"):
        engine_target(Engine(), wanted[:1])


def test_the_deepest_folder_that_is_for_the_target_counts(tmp_path: Path) -> None:
    """T2-36."""
    (tmp_path / "linux/arm64/debian@12").mkdir(parents=True)
    (tmp_path / "linux/amd64").mkdir()
    several = TargetSpec(
        os="linux",
        arch="arm64",
        distros=(Distro(name="debian", version="12"), Distro(name="debian", version="13")),
    )

    folders = [
        platform_folder(tmp_path, each).relative_to(tmp_path).as_posix() for each in expanded([several])
    ]

    assert folders == ["linux/arm64/debian@12", "linux/arm64"]
    assert platform_folder(tmp_path, TargetSpec(os="windows")) == tmp_path
