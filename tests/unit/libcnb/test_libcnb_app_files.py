"""Files of an app are read with a limit, and told of in the buildpack's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.libcnb.app_files import AppFiles
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path

FILES = AppFiles(1, lambda name, reason: Problem(f"{name} is of no use", reason))


def test_a_file_of_just_the_limit_is_read_and_a_larger_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.write_bytes(b"x" * (1 << 20))
    assert len(FILES.data(file)) == 1 << 20
    file.write_bytes(b"x" * ((1 << 20) + 1))

    with pytest.raises(Problem, match="lock is of no use") as caught:
        FILES.data(file)

    assert caught.value.found == "It is larger than 1 MiB."


def test_text_begins_behind_its_mark_and_has_no_byte_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfa\xff")

    assert FILES.text(tmp_path / "file") == "a\ufffd"


@pytest.mark.parametrize(("text", "line"), [("# why\n\n  3.12 \n3.11\n", "3.12"), ("# only\n", ""), ("", "")])
def test_the_first_line_is_the_first_that_says_something(text: str, line: str, tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text(text)

    assert FILES.first_line(tmp_path / ".python-version") == line
    assert FILES.first_line(tmp_path / "missing") == ""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[]", "must hold a JSON object"),
        (b"{", "Expecting property name"),
        (b'"\xff"', "can't decode byte 0xff"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_what_is_no_json_object_is_told_with_its_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_bytes(data)

    with pytest.raises(Problem, match=r"package\.json") as caught:
        FILES.json_object(tmp_path / "package.json")

    assert reason in caught.value.found


def test_a_json_object_may_begin_with_a_mark(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')

    assert FILES.json_object(tmp_path / "package.json") == {"a": 1}
