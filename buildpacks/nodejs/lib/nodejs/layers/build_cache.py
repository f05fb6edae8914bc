"""Layer `build-cache`: what bundlers keep to be faster next time; in the app while it is built, and nowhere in the image."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pybuild.libcnb import command
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext

FOLDERS = (
    ".next/cache",
    ".angular/cache",
    ".parcel-cache",
    ".nuxt/cache",
    ".astro/cache",
    "node_modules/.cache",
)
MOST_BYTES = 512 << 20


def restore(context: BuildContext) -> None:
    """Put them where the last build had them."""
    layer = context.layers.kept_layer("build-cache", Types(cache=True))
    for name in FOLDERS:
        stored, target = layer.path / name, context.app / name
        if stored.is_dir() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(stored, target)


def save(context: BuildContext) -> None:
    """Take them out of the app and into the layer; one that has grown too large is given up."""
    layer = context.layers.kept_layer("build-cache", Types(cache=True))
    for name in FOLDERS:
        source, stored = context.app / name, layer.path / name
        if stored.is_dir():
            shutil.rmtree(stored)
        if source.is_dir() and not source.is_symlink():
            if _size(source) <= MOST_BYTES:
                stored.parent.mkdir(parents=True, exist_ok=True)
                _copy(source, stored)
            shutil.rmtree(source)


def _copy(source: Path, target: Path) -> None:
    command.read(["cp", "--archive", "--reflink=auto", "--no-target-directory", source, target], timeout=1800)


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*"))
