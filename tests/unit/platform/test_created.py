"""The time of creation: a number, now, a commit's, or what the environment says."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidInput
from pybuild.platform.created import read_creation_time

if TYPE_CHECKING:
    from pathlib import Path

GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": "/usr/local/bin:/usr/bin:/bin"}


def test_without_a_word_it_is_the_constant_or_source_date_epoch(tmp_path: Path) -> None:
    assert read_creation_time(None, path=tmp_path, caller={}) is None
    assert read_creation_time(None, path=tmp_path, caller={"SOURCE_DATE_EPOCH": "86400"}) == 86400


def test_a_word_counts_more_than_the_variable(tmp_path: Path) -> None:
    caller = {"SOURCE_DATE_EPOCH": "86400"}

    assert read_creation_time("1", path=tmp_path, caller=caller) == 1
    assert abs(time.time() - (read_creation_time("now", path=tmp_path, caller=caller) or 0)) < 60


@pytest.mark.parametrize("word", ["", "soon", "-1", "1e9", "1970-01-01"])
def test_a_word_that_is_no_time_is_refused(tmp_path: Path, word: str) -> None:
    """F-24."""
    with pytest.raises(InvalidInput, match="creation time"):
        read_creation_time(word, path=tmp_path, caller={})


def test_a_variable_that_is_no_time_is_refused_by_its_name(tmp_path: Path) -> None:
    """F-24."""
    with pytest.raises(InvalidInput, match="SOURCE_DATE_EPOCH is 'soon'"):
        read_creation_time(None, path=tmp_path, caller={"SOURCE_DATE_EPOCH": "soon"})


def test_the_commit_that_is_checked_out_gives_its_time(tmp_path: Path) -> None:
    date = {"GIT_COMMITTER_DATE": "1600000000 +0200", "GIT_AUTHOR_DATE": "1500000000 +0200"}
    who = ["-c", "user.name=A committer 1 +0000", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, env=GIT)
    message = "First\n\ncommitter B <b@example.com> 1700000000 +0000"
    subprocess.run(
        ["git", *who, "-C", str(tmp_path), "commit", "-q", "--allow-empty", "-m", message],
        check=True,
        env={**GIT, **date},
    )
    (tmp_path / "web").mkdir()

    assert read_creation_time("commit", path=tmp_path, caller={}) == 1_600_000_000
    assert read_creation_time("commit", path=tmp_path / "web", caller={}) == 1_600_000_000


def test_a_folder_without_a_commit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no commit"):
        read_creation_time("commit", path=tmp_path, caller={})
