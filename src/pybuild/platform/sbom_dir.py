"""The SBOMs of a build, copied out of its container: `launch/`, `build/` and `cache/`, as the lifecycle collects them.

Buildpacks wrote them: only regular files are taken, none outside of the folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.errors import ExportError, InvalidArchive, InvalidInput
from pybuild.oci import tar

if TYPE_CHECKING:
    from pybuild.buildenv.api import BuildEnv

_LIMITS = tar.Limits(entries=100_000, size=2 << 30)


def make_folder(folder: Path) -> None:
    """Make it, if it is not there. Raises `InvalidInput` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InvalidInput(f"the folder {folder} for SBOMs cannot be made: {exc.strerror}") from exc


def copy_sboms(env: BuildEnv, layers_dir: str, folder: Path) -> int:
    """Copy them below `folder`; return how many. Raises `ExportError` where one cannot be written; the image is there."""
    source = f"{layers_dir}/sbom"
    if not env.scan([source])[0].entries:
        return 0
    count = 0
    try:
        with env.pack(source) as packed:
            for member, body in tar.read(packed, limits=_LIMITS):
                if member.kind == tar.FILE:
                    path = folder / _inside(member.name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with path.open("wb") as file:
                        file.writelines(body)
                    count += 1
    except OSError as exc:
        raise ExportError(
            f"the image was saved, but its SBOMs cannot be written to {folder}: {exc.strerror}",
            hint="name another folder with --sbom-output-dir",
        ) from exc
    return count


def _inside(name: bytes) -> Path:
    """The path below the folder; the name begins with that of the folder inside the container."""
    parts = os.fsdecode(name).split("/")[1:]
    if not parts or any(part in ("", ".", "..") for part in parts):
        raise InvalidArchive(f"an SBOM has the name {os.fsdecode(name)[:80]!r}")
    return Path(*parts)
