"""What a killed process leaves in a temporary folder goes with the next one of ours; what a living one uses stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pybuild.stores.scratch import scratch_file, scratch_folder
from support.cli import SOURCE

HOLD_FOLDER = """
from pybuild.stores.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "file").write_text("x")
    (folder / "closed").mkdir(mode=0)
    print(folder, flush=True)
    input()
"""
HOLD_FILE = """
from pathlib import Path
from pybuild.stores.scratch import scratch_file
handle, path = scratch_file(Path("."), ".name.")
print(path.resolve(), flush=True)
input()
"""


class Holder:
    """Another process that holds what the program makes; `path`: of that."""

    def __init__(self, program: str, where: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=where,
            env={**os.environ, "PYTHONPATH": str(SOURCE), "TMPDIR": str(where)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.path = Path(self.process.stdout.readline().strip())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_of_a_killed_process_goes_and_one_in_use_stays(where: Path) -> None:
    dead, alive = Holder(HOLD_FOLDER, where), Holder(HOLD_FOLDER, where)
    try:
        dead.kill()
        assert dead.path.exists()

        with scratch_folder() as mine:
            assert sorted(where.iterdir()) == sorted([mine, alive.path])
            assert list(mine.iterdir()) == []
    finally:
        alive.kill()

    with scratch_folder():
        pass
    assert list(where.iterdir()) == []


def test_a_file_of_a_killed_process_goes_and_one_in_use_stays(where: Path) -> None:
    dead, alive = Holder(HOLD_FILE, where), Holder(HOLD_FILE, where)
    try:
        dead.kill()
        other = where / ".names"
        other.touch()

        handle, mine = scratch_file(where, ".name.")

        assert sorted(where.iterdir()) == sorted([mine, alive.path, other])
        os.close(handle)
    finally:
        alive.kill()


def test_a_link_in_its_place_leads_nowhere(where: Path) -> None:
    precious = where / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (where / "pybuild-scratch-evil").symlink_to(precious)

    with scratch_folder():
        pass

    assert (precious / "file").exists()
