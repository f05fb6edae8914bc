"""What the peers' programs say of themselves, which is part of what they make."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.spec.labels import LauncherIdentity

if TYPE_CHECKING:
    import os

_REPOSITORY = "github.com/buildpacks/lifecycle"


@cache
def identity_of(lifecycle: str | os.PathLike[str]) -> LauncherIdentity:
    """What was linked into this Go lifecycle: it tells its version and commit, and the repository stands in its data."""
    said = subprocess.run([lifecycle, "-version"], capture_output=True, text=True, check=True).stdout.strip()
    version, _, commit = said.partition("+")
    linked = f"\0{_REPOSITORY}\0".encode() in Path(lifecycle).read_bytes()
    return LauncherIdentity(version=version, repository=_REPOSITORY if linked else "", commit=commit)
