"""Which programs of a module are built: those that are asked for, else the root and cmd/*, else all there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from go import errors
from pybuild.libcnb import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from go.gomod import GoMod

_FORMAT = "{{.Name}}\t{{.ImportPath}}\t{{.Dir}}\t{{.Target}}"
_DEFAULTS = ("web", "server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package of the app. `program`: the name of its binary, as Go gives it; empty for a library."""

    path: str
    folder: Path
    program: str


def packages(
    go: Path, module: GoMod, folder: Path, environ: Mapping[str, str], patterns: Sequence[str] = ()
) -> tuple[Package, ...]:
    """The packages that `patterns` name, else all of the module or workspace. Raises `ToolFailed`."""
    if not patterns:
        patterns = ("./...",) if module.file == "go.mod" else _of_workspace(go, folder, environ)
    # With -find nothing is downloaded yet. GOBIN makes Go tell the name of each program.
    text = command.read(
        [go, "list", "-find", "-f", _FORMAT, *patterns], environ={**environ, "GOBIN": "/bin"}, cwd=folder
    )
    rows = (line.split("\t") for line in text.splitlines())
    return tuple(
        Package(path=path, folder=Path(place), program=Path(target).name if name == "main" else "")
        for name, path, place, target in rows
    )


def choose(found: Sequence[Package], roots: Sequence[Path]) -> tuple[Package, ...]:
    """The programs to build. `roots`: the folders of the modules. Raises a `Problem` when there is none."""
    programs = [package for package in found if package.program]
    if not programs:
        raise errors.no_programs(len(found))
    usual = [
        package for package in programs if any(package.folder in (root, *_commands(root)) for root in roots)
    ]
    return checked(usual or programs)


def checked(programs: Sequence[Package]) -> tuple[Package, ...]:
    """The same programs. Raises a `Problem` when two have one name."""
    seen: dict[str, Package] = {}
    for package in programs:
        other = seen.setdefault(package.program, package)
        if other != package:
            raise errors.same_name(package.program, other.path, package.path)
    return tuple(seen.values())


def default(programs: Sequence[Package], roots: Sequence[Path]) -> Package:
    """The program that `web` starts: one called web or server, else the one in the root, else the first."""
    for name in _DEFAULTS:
        for package in programs:
            if package.program == name:
                return package
    return next((package for package in programs if package.folder in roots), programs[0])


def asked(setting: str) -> tuple[str, ...]:
    """The patterns in `BP_GO_TARGETS`, with `./` in front where Go would take them for the standard library's."""
    words = (word.strip() for word in setting.split(":"))
    return tuple(word if word.startswith(".") else f"./{word}" for word in words if word)


def _commands(root: Path) -> tuple[Path, ...]:
    folder = root / "cmd"
    return (folder, *(path for path in folder.iterdir() if path.is_dir())) if folder.is_dir() else ()


def _of_workspace(go: Path, folder: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{root}/..." for root in modules(go, folder, environ))


def modules(go: Path, folder: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders of the main modules: one, or all of a workspace. Raises `ToolFailed`."""
    text = command.read([go, "list", "-m", "-f", "{{.Dir}}"], environ=environ, cwd=folder)
    return tuple(Path(line) for line in text.splitlines() if line)
