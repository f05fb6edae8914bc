"""The archive with all phases: whatever a phase needs is in it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from pybuild.platform.builders.lifecycle_program import PHASES, program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that each phase is a link to."""
    file = tmp_path_factory.mktemp("lifecycle") / "lifecycle"
    file.write_bytes(program())
    for phase in PHASES:
        file.with_name(phase).symlink_to(file.name)
    return file


@pytest.mark.parametrize("phase", sorted(PHASES))
def test_every_phase_starts_from_it_without_what_is_installed_here(archive: Path, phase: str) -> None:
    """It gets as far as its arguments, of which it does not know one."""
    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(archive.with_name(phase)), "-no-such-flag"],
        env={"CNB_PLATFORM_API": "0.15"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, "no-such-flag" in ended.stdout + ended.stderr) == (2, True), ended


def test_every_module_of_it_can_be_imported(archive: Path) -> None:
    """Phases import some only when they need them."""
    with zipfile.ZipFile(archive) as file:
        names = [name for name in file.namelist() if name.startswith("pybuild/") and name.endswith(".py")]
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names]
    code = (
        f"import sys, importlib; sys.path.insert(0, {str(archive)!r}); "
        f"[importlib.import_module(name) for name in {modules!r}]"
    )

    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert "pybuild.cli.phases.analyze" in modules
