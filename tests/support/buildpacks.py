"""Tiny buildpacks and extensions by keyword: real files in a build environment's folders, scripts of three lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild.spec.buildpack import escape_id
from pybuild.spec.order import ModuleRef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PATH = "/usr/local/bin:/usr/bin:/bin"

PASS, FAIL = "exit 0", "exit 100"

# Lines of a bin/build: a process that prints the app's file, and the same with a layer that is made once.
SERVE = """\
cat > "$1/launch.toml" <<'TOML'
[[processes]]
type = "web"
command = ["/bin/cat", "file.txt"]
default = true
TOML"""
MAKE_ONCE = """\
mkdir -p "$1/dep"
[ -f "$1/dep/file" ] || echo "a dependency" > "$1/dep/file"
printf '[types]\\nlaunch = true\\ncache = true\\n' > "$1/dep.toml"
"""
SERVE_WITH_LAYER = MAKE_ONCE + SERVE


def plan(
    *,
    provides: Sequence[str] = (),
    requires: Sequence[str] = (),
    others: Sequence[tuple[Sequence[str], Sequence[str]]] = (),
) -> str:
    """The lines of a bin/detect that pass with this plan; `others`: provides and requires of each `[[or]]`."""
    lines = [f'[[provides]]\nname = "{name}"' for name in provides]
    lines += [f'[[requires]]\nname = "{name}"' for name in requires]
    for or_provides, or_requires in others:
        lines.append("[[or]]")
        lines += [f'[[or.provides]]\nname = "{name}"' for name in or_provides]
        lines += [f'[[or.requires]]\nname = "{name}"' for name in or_requires]
    return "cat > \"$2\" <<'PLAN'\n" + "\n".join(lines) + "\nPLAN"


@dataclass(frozen=True)
class Folders:
    """The folders of a build environment below one root, and the modules put into them."""

    root: Path
    app: Path = field(init=False)
    buildpacks: Path = field(init=False)
    extensions: Path = field(init=False)
    layers: Path = field(init=False)
    platform: Path = field(init=False)
    tmp: Path = field(init=False)

    def __post_init__(self) -> None:
        for name in ("app", "buildpacks", "extensions", "layers", "platform", "tmp"):
            folder = self.root / name
            folder.mkdir(parents=True, exist_ok=True)
            object.__setattr__(self, name, folder)

    def buildpack(
        self,
        id: str,  # noqa: A002
        version: str = "1",
        *,
        detect: str | None = PASS,
        build: str | None = PASS,
        order: Sequence[Sequence[ModuleRef]] = (),
        optional: bool = False,
        api: str = "0.10",
        about: str = "",
        more: str = "",
        files: Mapping[str, str] | None = None,
    ) -> ModuleRef:
        """Write a buildpack; return its entry for an order, `optional` or not.

        `detect`, `build`: the scripts' lines, None for no such file. `order`: makes it a composite. `about`:
        lines for `[buildpack]`; `more`: lines after it; `files`: contents of other files by path.
        """
        groups = "".join("[[order]]\n" + "".join(map(_entry, group)) for group in order)
        programs = {} if order else {"bin/detect": detect, "bin/build": build}
        descriptor = f"{_head('buildpack', id, version, api)}{about}\n{more}\n{groups}"
        self._write(self.buildpacks, id, version, {"buildpack.toml": descriptor, **(files or {})}, programs)
        return ModuleRef(id=id, version=version, optional=optional)

    def extension(
        self,
        id: str,  # noqa: A002
        version: str = "1",
        *,
        detect: str | None = PASS,
        generate: str | None = PASS,
        api: str = "0.10",
        about: str = "",
        files: Mapping[str, str] | None = None,
    ) -> ModuleRef:
        """Write an image extension; return its entry for an order."""
        descriptor = f"{_head('extension', id, version, api)}{about}\n"
        programs = {"bin/detect": detect, "bin/generate": generate}
        self._write(self.extensions, id, version, {"extension.toml": descriptor, **(files or {})}, programs)
        return ModuleRef(id=id, version=version)

    def _write(
        self,
        parent: Path,
        id: str,  # noqa: A002
        version: str,
        files: Mapping[str, str],
        programs: Mapping[str, str | None],
    ) -> None:
        folder = parent / escape_id(id) / version
        for name, text in files.items():
            _put(folder / name, text, 0o644)
        for name, lines in programs.items():
            if lines is not None:
                _put(folder / name, f"#!/bin/sh\n{lines}\n", 0o755)


def _head(kind: str, id: str, version: str, api: str) -> str:  # noqa: A002
    return f"api = {json.dumps(api)}\n[{kind}]\nid = {json.dumps(id)}\nversion = {json.dumps(version)}\n"


def _entry(ref: ModuleRef) -> str:
    optional = "optional = true\n" if ref.optional else ""
    return f"[[order.group]]\nid = {json.dumps(ref.id)}\nversion = {json.dumps(ref.version)}\n{optional}"


def _put(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)
