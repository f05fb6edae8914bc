"""What makes programs find the packages of a layer: paths for the shell, the linker, the compiler and pkg-config."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aptfile.places import lead_to
from pybuild.libcnb import debs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pybuild.libcnb.layers import Layer

_PROGRAMS = ("usr/local/bin", "usr/bin", "bin", "usr/sbin", "sbin", "usr/games")
_PREFIX = re.compile(r"^prefix=/usr\b", re.MULTILINE)


def write_paths(layer: Layer) -> None:
    """Environment files for whoever gets the layer; compilers run in builds only."""
    root = layer.path
    libraries = [*debs.library_folders(layer), *alternatives(layer)]
    headers = _there([root / "usr/include", *sorted(root.glob("usr/include/*-linux-*"))])
    descriptions = sorted({file.parent for file in root.glob("usr/**/pkgconfig/*.pc")})
    for variable, folders in (
        # Debian's psql and its like are scripts that ask /usr which server version there is.
        ("PATH", [*root.glob("usr/lib/postgresql/*/bin"), *_there(root / name for name in _PROGRAMS)]),
        ("LD_LIBRARY_PATH", libraries),
    ):
        if folders:
            layer.search_path(variable, *folders)
    lead_to(layer)
    if not layer.types.build:
        return
    for variable, folders in (
        ("LIBRARY_PATH", libraries),
        ("CPATH", headers),
        ("PKG_CONFIG_PATH", descriptions),
    ):
        if folders:
            layer.search_path(variable, *folders, scope="build")


def alternatives(layer: Layer) -> list[Path]:
    """Folders one below the linker's, with libraries that an installed system would have linked from there, as BLAS."""
    return [inner for folder in debs.library_folders(layer) for inner in _below(folder)]


def _below(folder: Path) -> list[Path]:
    names = {file.name for file in folder.iterdir()}
    return [
        inner
        for inner in sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
        if any(file.name not in names for file in inner.glob("lib*.so*"))
    ]


def move_descriptions(layer: Layer) -> None:
    """Lead pkg-config's files, which say /usr, to where they are."""
    for file in layer.path.glob("usr/**/pkgconfig/*.pc"):
        if file.is_symlink():
            continue
        text = file.read_text(errors="surrogateescape")
        moved = _PREFIX.sub(f"prefix={layer.path}/usr", text)
        if moved != text:
            file.write_text(moved, errors="surrogateescape")


def _there(folders: Iterable[Path]) -> list[Path]:
    return [folder for folder in folders if folder.is_dir()]
