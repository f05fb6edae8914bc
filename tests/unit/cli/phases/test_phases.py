"""The phases as programs: names, usage, versions, exit codes and words (GEN-01, GEN-10, ANA-01, EXP-01, GO-55, GO-66)."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests.adapters  # noqa: F401

import pybuild.stores.registry  # noqa: F401 - beforehand: this Python may be closed to the build user
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.cli.phases import programs
from pybuild.lifecycle import inputs
from pybuild.lifecycle.image_layers import PLACEHOLDER, LauncherSource, launcher_source
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.stores.api import Layer, Written
from pybuild.stores.launch_cache import LaunchCacheStore
from pybuild.stores.tar_cache import TarCache
from support import phase
from support.images import FolderStore, Witness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

USER = {"CNB_USER_ID": str(os.geteuid() or 1000), "CNB_GROUP_ID": str(os.getegid() or 1000)}


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that every user may use: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="pybuild-phases-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def run(*words: str, api: str = "0.12", **environ: str) -> tuple[int, str]:
    """Exit code and words of a program, run in a child: it may give up its rights."""

    def body() -> tuple[int, str]:
        told = io.BytesIO()
        code = programs.run(words, {"CNB_PLATFORM_API": api, **USER, **environ}, told)
        return code, told.getvalue().decode()

    code, said = phase.in_child(body)
    return code, said


def run_as_user(*words: str, api: str = "0.12", **environ: str) -> tuple[int, str]:
    def body() -> tuple[int, str]:
        phase._become(1000)
        return run(*words, api=api, **environ)

    code, said = phase.in_child(body)
    return code, said


@pytest.mark.parametrize("words", [("/cnb/lifecycle/detector", "-version"), ("lifecycle", "-version"), ("lifecycle", "detect", "--version")])  # fmt: skip
def test_the_version_says_what_platforms_compare(words: Sequence[str]) -> None:
    assert run(*words) == (0, f"{inputs.VERSION}\n")


@pytest.mark.parametrize(
    ("api", "said"),
    [("", "CNB_PLATFORM_API"), ("0.6", "not supported"), ("0.16", "not supported"), ("x", "no API version")],
)
def test_a_platform_api_that_we_do_not_speak_ends_with_11_before_anything_else(api: str, said: str) -> None:
    """GEN-01."""
    code, output = run("detector", "-no-such-flag", api=api)

    assert code == 11
    assert said in output


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("detector", "-nope"), 2, "flag provided but not defined: -nope"),
        (("detector", "word"), 3, "ERROR: failed to parse arguments: received unexpected arguments"),
        (("builder", "word"), 3, "ERROR: failed to parse arguments: received unexpected arguments"),
        (("analyzer", "-daemon"), 3, "ERROR: failed to parse arguments: received 0 arguments, but expected 1"),
        (("analyzer", "-daemon", "a", "b"), 3, "ERROR: failed to parse arguments: received 2 arguments, but expected 1"),
        (("restorer", "word"), 3, "ERROR: failed to parse arguments: received unexpected Args: word"),
        (("analyzer", "-daemon", ""), 3, "ERROR: an image argument is empty"),
        (("analyzer", "-daemon", "A B"), 3, "ERROR: "),
        (("analyzer", "-daemon", "-run-image", "r", "-tag", "T!", "a"), 3, "ERROR: "),
        (("analyzer", "-run-image", "r", "-tag", "other.example/x", "reg.example/x"), 3, "multiple registries"),
        (("analyzer", "-daemon", "-run", "/no/run.toml", "a"), 3, "-run-image is required"),
        (("creator", "-daemon"), 3, "ERROR: failed to parse arguments: received 0 arguments, but expected 1"),
        (("exporter", "-daemon"), 3, "ERROR: failed to parse arguments: at least one image argument is required"),
        (("exporter", "-daemon", "-run-image", "r", "a"), 3, "ERROR: -run-image and -image are unsupported"),
        (("exporter", "-daemon", "-analyzed", "/no/analyzed.toml", "a"), 3, "run image not found in analyzed"),
        (("restorer", "-group", "/no/group.toml", "-analyzed", "/no"), 1, "failed to read group file: open /no/group.toml: no such file or directory"),
        (("analyzer", "-daemon", "-log-level", "loud", "a"), 1, "failed to parse log level"),
        (("analyzer", "-layout", "-run-image", "r", "a"), 1, "experimental feature"),
        (("analyzer", "-run-image", "r", "127.0.0.1:1/a"), 32, "127.0.0.1:1 broke off: Connection refused"),
        (("restorer", "-cache-image", "C!"), 3, "is no image name"),
        (("rebaser", "-daemon"), 3, "ERROR: at least one image argument is required"),
        (("rebaser", "-daemon", "-run-image", "r", "-image", "r", "a"), 3, "supply only one of -run-image or"),
        (("rebaser", "a", "other.example/b"), 3, "multiple registries"),
        (("rebaser", "-daemon", "a@sha256:" + 64 * "1"), 3, "has a digest"),
        (("rebaser", "-daemon", "-previous-image", "A B", "a"), 3, "is no image name"),
        (("rebaser", "-layout", "a"), 2, "flag provided but not defined: -layout"),
        (("rebaser", "-run-image", "r", "127.0.0.1:1/a"), 72, "127.0.0.1:1 broke off: Connection refused"),
        (("lifecycle", "rebase"), 3, "ERROR: at least one image argument is required"),
        (("lifecycle", "dance"), 3, "no phase of that name"),
    ],
)  # fmt: skip
def test_words_that_cannot_be_carried_out_end_with_their_exit_code(
    words: Sequence[str], code: int, said: str
) -> None:
    """ANA-01, ANA-02, EXP-01, GEN-10."""
    found, output = run(*words)

    assert (found, said in output) == (code, True), output


def test_a_layout_is_possible_where_the_platform_allows_it() -> None:
    """GEN-10, GO-76."""
    words = ("analyzer", "-layout", "-layout-dir", "/x", "-run-image", "r", "a")

    warned, quiet = (run(*words, CNB_EXPERIMENTAL_MODE=mode) for mode in ("warn", "quiet"))

    assert warned[0] == quiet[0] == 32
    assert "Warning: Platform requested experimental feature" in warned[1]
    assert "experimental" not in quiet[1]
    assert "the run image 'r' was not found in /x/index.docker.io/library/r/latest" in quiet[1]


def test_a_group_with_an_unknown_buildpack_api_ends_with_12(folder: Path) -> None:
    """GEN-02, GEN-02."""
    group = folder / "group.toml"
    group.write_text('[[group]]\nid = "a"\nversion = "1"\napi = "0.99"\n')

    code, output = run("restorer", "-group", str(group), "-layers", str(folder))

    assert code == 12, output


@pytest.mark.parametrize("content", ["[", "[[group]]\nid = 3\n"])
def test_a_malformed_input_file_ends_with_1_and_names_it(folder: Path, content: str) -> None:
    (folder / "group.toml").write_text(content)

    code, output = run_as_user("builder", "-layers", str(folder))

    assert code == 1
    assert f"{folder}/group.toml" in output


def test_a_pipe_in_the_place_of_an_input_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "group.toml")
    (folder / "group.toml").chmod(0o666)

    code, output = run_as_user("builder", "-layers", str(folder))

    assert code == 1
    assert "no regular file" in output


def test_a_flag_after_the_first_image_is_pointed_at() -> None:
    _, output = run("exporter", "-analyzed", "/no", "image", "-daemon")

    assert "Warning: unconsumed flag-like positional arg: -daemon" in output


def test_without_a_launcher_or_with_its_placeholder_one_is_made_for_the_app(tmp_path: Path) -> None:
    env = LocalBuildEnv()
    path = tmp_path / "launcher"
    assert launcher_source(env, str(path), "/sboms") == LauncherSource(sboms="/sboms")

    path.write_bytes(PLACEHOLDER)
    assert launcher_source(env, str(path), "/sboms") == LauncherSource(sboms="/sboms")

    path.write_bytes(b"#!/bin/sh\n")
    assert launcher_source(env, str(path), "/sboms") == LauncherSource(path=str(path), sboms="/sboms")


def _layer(content: bytes) -> Layer:
    return Layer(diff_id=None, size=len(content), open=lambda: iter([content]), created_by="x")


def test_a_layer_that_passed_the_launch_cache_is_read_from_there(tmp_path: Path) -> None:
    """ANA-09, GO-03."""
    (tmp_path / "cache").mkdir()
    folder = FolderStore(tmp_path / "store")
    base = folder.add("base:1", _config([]), [])
    store = LaunchCacheStore(Witness(folder), TarCache.open(str(tmp_path / "cache")))
    content = b"\0" * 1024
    name = Reference.parse("app:1")

    written = store.write(base, [_layer(content)], lambda ids: _config(ids), [name], None)
    (tmp_path / "store/layers" / sha256(content).removeprefix("sha256:")).unlink()

    again = LaunchCacheStore(folder, TarCache.open(str(tmp_path / "cache")))
    image = again.find(name)
    assert image is not None
    assert image.id == written.image_id
    assert b"".join(again.read_layer(image, sha256(content))) == content


def test_a_damaged_launch_cache_costs_only_time(tmp_path: Path) -> None:
    """GO-81, CCH-04."""
    (tmp_path / "cache").mkdir()
    folder = FolderStore(tmp_path / "store")
    base = folder.add("base:1", _config([]), [])
    store = LaunchCacheStore(folder, TarCache.open(str(tmp_path / "cache")))
    content = b"\0" * 1024
    store.write(base, [_layer(content)], lambda ids: _config(ids), [Reference.parse("app:1")], None)
    (tmp_path / "cache/committed" / f"{sha256(content)}.tar").write_bytes(b"bad")

    again = LaunchCacheStore(folder, TarCache.open(str(tmp_path / "cache")))
    image = again.find("app:1")

    assert image is not None
    assert b"".join(again.read_layer(image, sha256(content))) == content


class _Spoiling(FolderStore):
    """Lets a file be overwritten as soon as an image is written."""

    spoiled: Path

    def write(self, *words: Any) -> Written:
        written = super().write(*words)
        self.spoiled.write_text("what nobody may read any more")
        return written


def test_a_cached_layer_is_read_once_for_the_image_and_the_cache(folder: Path) -> None:
    """EXP-20, EXP-21."""
    for name in ("layers/a/dep", "layers/config", "cache", "app"):
        (folder / name).mkdir(parents=True)
    (folder / "layers/a/dep/file").write_text("content")
    (folder / "layers/a/dep.toml").write_text("[types]\nlaunch = true\ncache = true\n")
    (folder / "layers/config/metadata.toml").write_text("")
    (folder / "layers/group.toml").write_text('[[group]]\nid = "a"\nversion = "1"\napi = "0.10"\n')
    (folder / "layers/analyzed.toml").write_text('[run-image]\nreference = "base:1"\nimage = "base:1"\n')
    store = _Spoiling(folder / "store")
    store.spoiled = folder / "layers/a/dep/file"
    store.add("base:1", _config([]), [])
    places = (
        "-layers",
        str(folder / "layers"),
        "-app",
        str(folder / "app"),
        "-cache-dir",
        str(folder / "cache"),
    )
    environ = {
        "CNB_PLATFORM_API": "0.12",
        "CNB_USER_ID": str(os.geteuid()),
        "CNB_GROUP_ID": str(os.getegid()),
    }
    told = io.BytesIO()

    code = programs.run(
        ("exporter", "-daemon", *places, "app:1"),
        environ,
        told,
        stores={"daemon": lambda _run: lambda: store},
    )

    assert code == 0, told.getvalue().decode()
    image = store.find("app:1")
    assert image is not None
    assert (folder / "cache/committed" / f"{image.diff_ids[0]}.tar").exists()
    assert b"Adding cache layer 'a:dep'" in told.getvalue()


def _config(diff_ids: Sequence[str]) -> bytes:
    ids = ",".join(f'"{each}"' for each in diff_ids)
    history = ",".join('{"created":"1980-01-01T00:00:01Z"}' for _ in diff_ids)
    return (
        '{"architecture":"amd64","created":"1980-01-01T00:00:01Z","history":[' + history + '],"os":"linux",'
        '"rootfs":{"type":"layers","diff_ids":[' + ids + ']},"config":{}}'
    ).encode()
