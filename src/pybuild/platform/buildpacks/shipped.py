"""What comes with pybuild besides its code: the first-party buildpacks, the default builder's recipe.

In a checkout they stand beside `src`; in an installed package below `pybuild/_shipped`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pybuild
from pybuild.errors import BuilderUnusable

_PACKAGE = Path(pybuild.__file__).parent
_CARRIED = f'"""What a buildpack carries of pybuild."""\n\n__version__ = "{pybuild.__version__}"\n'.encode()
_IMPORT = re.compile(rb"^[ \t]*(?:from|import) (pybuild[\w.]*)(?: import (\([^)]*\)|[^\n]*))?", re.MULTILINE)


def shipped(folder_name: str) -> Path:
    """The folder `buildpacks` or `builder` that came with this pybuild."""
    for root in (_PACKAGE / "_shipped", _PACKAGE.parents[1]):
        if (root / folder_name).is_dir():
            return root / folder_name
    raise BuilderUnusable(
        f"this installation of pybuild came without its folder {folder_name!r}",
        hint="install it again: pip install --force-reinstall pybuild-cnb",
    )


def libcnb_files() -> dict[str, bytes]:
    """libcnb with all that it imports of pybuild: relative path below `lib/` → content, sorted by path.

    A buildpack carries its own copy, so that it runs on builders that have Python and nothing of ours.
    """
    waiting = [_PACKAGE / "libcnb" / "__init__.py", *sorted((_PACKAGE / "libcnb").glob("*.py"))]
    found: dict[str, bytes] = {}
    while waiting:
        file = waiting.pop()
        name = file.relative_to(_PACKAGE.parent).as_posix()
        if name in found:
            continue
        if file == _PACKAGE / "__init__.py":
            # The package's own offers all that pybuild can do, to programs.
            found[name] = _CARRIED
            continue
        found[name] = file.read_bytes()
        # What pybuild itself offers to programs is no part of libcnb; that there is such a package is.
        if file != _PACKAGE / "__init__.py":
            waiting += [imported for module in _imports(found[name]) for imported in _files_of(module)]
    return dict(sorted(found.items()))


def carried(folder: Path) -> dict[str, bytes]:
    """What a buildpack in Python that imports libcnb takes along, if it has no copy of its own; by relative path."""
    sources = [*folder.glob("lib/**/*.py"), *folder.glob("bin/*")]
    uses = any(b"pybuild.libcnb" in path.read_bytes() for path in sources if path.is_file())
    if not uses or (folder / "lib" / "pybuild").exists():
        return {}
    return {f"lib/{path}": content for path, content in libcnb_files().items()}


def _imports(source: bytes) -> set[str]:
    """Dotted names below `pybuild` that a module may import; `from a import b` counts as `a` and `a.b`."""
    # Not with ast: this is asked at every build, and parsing costs ten times as much.
    names: set[str] = set()
    for line in _IMPORT.finditer(source):
        module = line[1].decode()
        names.update((module, *(f"{module}.{name.decode()}" for name in re.findall(rb"\w+", line[2] or b""))))
    return names


def _files_of(module: str) -> list[Path]:
    """The file of a module and the `__init__.py` of every package above it; none for a name that is no module."""
    parts = module.split(".")[1:]
    file = _PACKAGE.joinpath(*parts[:-1], f"{parts[-1]}.py") if parts else _PACKAGE / "__init__.py"
    packages = [_PACKAGE.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts) + 1)]
    return [path for path in (file, *packages) if path.is_file()]
