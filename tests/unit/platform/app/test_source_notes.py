"""What nobody would want in an image is named before it gets there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.platform.app import source_notes
from pybuild.platform.app.source import open_source
from pybuild.platform.app.source_entry import Found
from pybuild.platform.app.source_notes import SourceNotes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def told(*paths: str | Found, confided: Iterable[bytes] = ()) -> list[str]:
    notes = SourceNotes(confided=frozenset(confided))
    for path in paths:
        notes.see(path if isinstance(path, Found) else Found(path.encode(), "f", 0o644, 0, 10))
    heard: list[events.Event] = []
    with events.listening(heard.append):
        notes.tell()
    return [event.text for event in heard if isinstance(event, events.Warned)]


@pytest.mark.parametrize("name", [".env", "web/.env.production", "id_ed25519", ".netrc"])
def test_a_file_that_may_hold_secrets_is_named(name: str) -> None:
    assert told("index.php", name) == [f"{name} may hold secrets, and goes into the image"]


@pytest.mark.parametrize("name", [".env.example", ".env.dist", "env", "src/.environment", "id_rsa.pub"])
def test_an_example_is_no_secret(name: str) -> None:
    assert told(name) == []


def test_many_secrets_are_one_warning() -> None:
    assert told(*(f"{number}/.env" for number in range(5))) == [
        "0/.env, 1/.env, 2/.env and 2 more may hold secrets, and goes into the image"
    ]


def test_a_file_that_is_the_builds_secret_is_named_whatever_it_is_called() -> None:
    assert told("conf/token", confided=[b"conf/token"]) == [
        "conf/token may hold secrets, and goes into the image"
    ]


@pytest.mark.parametrize(("size", "shown"), [(25_000_000, "25.0 MB"), (27_040, "27.0 kB")])
def test_a_repositorys_history_is_named_with_its_size(size: int, shown: str) -> None:
    folder = Found(b".git", "d", 0o755, 0)
    pack = Found(b".git/objects/pack/p", "f", 0o644, 0, size)

    assert told(folder, pack) == [f".git, a repository's history ({shown}), goes into the image"]


def test_of_a_huge_folder_the_innermost_one_that_matters_is_named() -> None:
    big = Found(b"web/node_modules/a/x", "f", 0o644, 0, source_notes.HUGE_BYTES)
    other = Found(b"web/node_modules/b/x", "f", 0o644, 0, source_notes.HUGE_BYTES)

    assert told("web/index.js", big, other) == [
        "web/node_modules goes into the image with 2 files (419.4 MB)"
    ]


def test_only_what_is_sent_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("")
    (tmp_path / "a").write_text("")
    (tmp_path / ".gitignore").write_text(".env")
    notes = SourceNotes()

    open_source(tmp_path, None, (".gitignore",), notes)

    assert notes.secrets == []
