"""Small files of our own: the old content or the new, never half of it, whatever happens (F-22, F-31)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pybuild.stores.state import read_state, remove_state, write_state


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "made" / "too" / "state.json"

    write_state(path, b"one")
    write_state(path, b"two")

    assert read_state(path) == b"two"
    assert [item.name for item in path.parent.iterdir()] == ["state.json"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert read_state(tmp_path / "none") is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["folder", "fifo", "symlink", "large", "below a file"])
def test_what_is_no_small_regular_file_is_none(tmp_path: Path, kind: str) -> None:
    """F-22, F-31."""
    path = tmp_path / "state"
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "symlink":
            path.symlink_to("/etc/passwd")
        case "large":
            path.write_bytes(b"x" * 11)
        case _:
            (tmp_path / "file").touch()
            path = tmp_path / "file" / "state"

    assert read_state(path, limit=10) is None


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"x" * 10)

    assert read_state(tmp_path / "state", limit=10) == b"x" * 10


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """F-31, F-06."""
    path = tmp_path / "state"
    write_state(path, b"old")
    # A limit for the size of files is what a full disk looks like from inside.
    program = (
        "import resource, signal, sys; from pathlib import Path; from pybuild.stores.state import write_state\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_state(Path(sys.argv[1]), b'x' * 5000)\n"
        "except OSError: sys.exit(7)"
    )
    source = str(Path(__file__).parents[3] / "src")

    done = subprocess.run([sys.executable, "-c", program, str(path)], env={"PYTHONPATH": source}, check=False)

    assert done.returncode == 7
    assert read_state(path) == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_whenever_a_write_is_killed_the_file_is_one_of_those_that_were_written(tmp_path: Path) -> None:
    """F-31: by SIGKILL at any moment."""
    path = tmp_path / "state"
    contents = (b"a" * 200_000, b"b" * 300_000)
    write_state(path, contents[0])
    program = (
        "import sys; from pathlib import Path; from pybuild.stores.state import write_state\n"
        "print(flush=True)\n"
        "while True:\n"
        "  for content in (b'a' * 200_000, b'b' * 300_000): write_state(Path(sys.argv[1]), content)"
    )
    source = str(Path(__file__).parents[3] / "src")

    for number in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path)], env={"PYTHONPATH": source}, stdout=subprocess.PIPE
        ) as writing:
            assert writing.stdout is not None
            writing.stdout.readline()
            time.sleep(number * 0.0037)
            writing.kill()

        assert read_state(path) in contents


def test_a_folder_in_the_place_of_the_file_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()

    with pytest.raises(OSError, match="state"):
        write_state(tmp_path / "state", b"")

    assert [item.name for item in tmp_path.iterdir()] == ["state"]


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    write_state(tmp_path / "state", b"")

    remove_state(tmp_path / "state")
    remove_state(tmp_path / "state")

    assert list(tmp_path.iterdir()) == []
