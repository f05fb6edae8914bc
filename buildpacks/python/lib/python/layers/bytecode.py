"""Compiled Python, the same bytes from the same sources: checked by hash, or not at all, never by the time of a file.

An image's files all have one date, so bytecode that is checked by date (PEP 552) would be stale in every image. What
one process compiles depends on what it has compiled before, so each top folder gets a process of its own.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from pybuild.libcnb import command, output

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Check = Literal["unchecked-hash", "checked-hash"]

# Templates and tests of packages: no Python of this version at times, and never imported.
_SKIP = r"/(\.[^/]*|node_modules|lib2to3/tests|test/bad_.*|site-packages/.*/(templates?|tests))(/|$)"


def compile_folder(
    python: Path, folder: Path, environ: Mapping[str, str], *, check: Check = "unchecked-hash"
) -> None:
    """Compile every module below the folder. Files that are no valid Python are left alone; nothing is raised for them."""
    files = sorted(entry for entry in folder.iterdir() if entry.name != "__pycache__")
    folders = [entry for entry in files if entry.is_dir() and not entry.is_symlink()]
    work = [
        [entry] for entry in folders if not entry.name.startswith(".") and not entry.name.endswith("-info")
    ]
    modules = [entry for entry in files if entry.suffix == ".py" and entry.is_file()]
    work += [modules] if modules else []

    def compile_some(entries: list[Path]) -> command.Result:
        words: list[str | Path] = [python, "-s", "-m", "compileall", "-q"]
        words += ["--invalidation-mode", check, "-x", _SKIP, *entries]
        # Hash seeds decide the order of sets, and so of bytes.
        variables = {**environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "", "PYTHONPATH": ""}
        return command.capture(words, environ=variables, cwd=python.parent, timeout=1800)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        failed = sum(done.code != 0 for done in pool.map(compile_some, work))
    if failed:
        output.step("Some files are no Python of this version, and were not compiled")
