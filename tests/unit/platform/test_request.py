"""What users ask for, as one value: every word is checked before anything is started (F-24, S-36, S-37, S-50)."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import InvalidInput, InvalidReference
from pybuild.platform.request import BuildRequest, build_request, checked_volume

if TYPE_CHECKING:
    from collections.abc import Iterator


def request(image: str = "app", **words: Any) -> BuildRequest:
    return build_request(image, path=Path(), caller={}, **words)


def test_what_is_not_said_has_its_default() -> None:
    made = request()

    assert (made.image.familiar, made.tags, made.builder, made.workspace) == ("app:latest", (), "", "")
    assert (made.pull_policy, made.created, made.clear_cache) == ("if-not-present", None, False)


def test_several_buildpacks_may_stand_in_one_word() -> None:
    made = request(buildpacks=["a/one,b/two@1", "", "./folder"])

    assert made.buildpacks == ("a/one", "b/two@1", "./folder")


def test_every_name_is_read() -> None:
    made = request("acme/app:1", tags=["acme/app:2", "registry.example:5000/app"])

    assert [str(name) for name in (made.image, *made.tags)] == [
        *("acme/app:1", "acme/app:2", "registry.example:5000/app:latest"),
    ]


@pytest.mark.parametrize("words", [{"image": "No Name"}, {"tags": ["a", "b:c:d"]}])
def test_a_word_that_is_no_name_is_refused(words: dict[str, Any]) -> None:
    with pytest.raises(InvalidReference):
        request(**words)


@pytest.mark.parametrize("words", [{"image": f"app@sha256:{'0' * 64}"}, {"tags": [f"app@sha256:{'0' * 64}"]}])
def test_a_digest_cannot_be_chosen(words: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="has a digest"):
        request(**words)


@pytest.mark.parametrize(
    ("word", "path"),
    [("", ""), ("web", "/web"), ("/var/www/html/", "/var/www/html"), ("//a", "/a"), ("/layersx", "/layersx")],
)
def test_the_workspace_is_an_absolute_path(word: str, path: str) -> None:
    assert request(workspace=word).workspace == path


@pytest.mark.parametrize(
    "word",
    ["/", "/cnb/x", "/layers", "/platform", "/a/../layers", "../x", "/proc", "a:b", "a\nb", "/dev/shm"],
)
def test_a_workspace_that_would_hide_something_is_refused(word: str) -> None:
    """S-37"""
    with pytest.raises(InvalidInput, match="--workspace"):
        request(workspace=word)


@pytest.mark.parametrize(("word", "seconds"), [(None, None), ("0", 0), ("1700000000", 1700000000)])
def test_a_creation_time_is_seconds(word: str | None, seconds: int | None) -> None:
    assert request(creation_time=word).created == seconds


def test_a_creation_time_may_be_now() -> None:
    before = int(time.time())

    created = request(creation_time="now").created

    assert created is not None
    assert before <= created <= time.time()


@pytest.mark.parametrize("word", ["", "-5", "1.5", "soon", "٣", "1" * 13, " 1"])
def test_what_is_no_creation_time_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match="is no creation time"):
        request(creation_time=word)


@pytest.mark.parametrize("word", ["", "sometimes", "ALWAYS"])
def test_what_is_no_pull_policy_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match="expected one of always, if-not-present, never"):
        request(pull_policy=word)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    yield tmp_path.resolve()
    os.chdir(before)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("./data:/data", "{here}/data:/data:ro"),
        ("data:/data:rw", "data:/data:rw"),
        ("{here}/data:/data:ro", "{here}/data:/data:ro"),
        ("{here}/data/../data:/a//b/./c", "{here}/data:/a/b/c:ro"),
        ("./data:/platform/bindings/db", "{here}/data:/platform/bindings/db:ro"),
        ("./data:/layersx", "{here}/data:/layersx:ro"),
    ],
)
def test_a_volume_is_read_only_and_complete(here: Path, word: str, expected: str) -> None:
    assert checked_volume(word.format(here=here)) == expected.format(here=here)


@pytest.mark.parametrize(
    "word",
    [
        *("", "x", "a:/b:ro:x", ":/b", "a:", "a:/b:", "a:/b:RW", "a:/b:z"),
        *("data:relative", "data:/", "data:/a/../layers", "data:/..", "data:~"),
        *("data:/layers", "data:/layers/x", "data:/cnb", "data:/platform", "data:/proc/x", "data:/dev"),
        *("data:/platform/env", "data:/platform/bindings", "./data:/platform/bindings/db:rw"),
        *("./none:/x", "/none:/x", ".hidden:/x", "bad name:/x", "-x:/x", "a\0b:/x"),
        *(
            "/var/run/docker.sock:/s",
            "/run/docker.sock:/s:ro",
            "/:/host:rw",
            "/:/host:ro",
            "/var/run:/r",
            "/run:/r:ro",
        ),
    ],
)
def test_a_volume_that_would_do_harm_is_refused_by_name(here: Path, word: str) -> None:
    """S-50"""
    with pytest.raises(InvalidInput) as caught:
        checked_volume(word)

    assert repr(word) in str(caught.value)


def test_no_socket_may_be_a_volume_whatever_it_is_called(here: Path) -> None:
    """S-50"""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("data/engine")
        Path("link").symlink_to("data/engine")

        for name in ("data/engine", "link"):
            with pytest.raises(InvalidInput, match="would give buildpacks this machine"):
                checked_volume(f"./{name}:/x")
