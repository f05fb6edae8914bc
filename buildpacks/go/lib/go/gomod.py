"""What go.mod and go.work say: the module's path, the language version, the toolchain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from go import errors
from pybuild.libcnb.app_files import AppFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = AppFiles(16, errors.unreadable)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoMod:
    """`file`: go.mod or go.work. `module`: empty in a workspace. `go`, `toolchain`: empty where no line says so."""

    file: str
    module: str = ""
    go: str = ""
    toolchain: str = ""

    @classmethod
    def read(cls, app: Path) -> Self:
        """The workspace's file, else the module's. Raises a `Problem` when there is neither, or it is no text."""
        file = next((app / name for name in ("go.work", "go.mod") if (app / name).is_file()), None)
        if file is None:
            raise errors.no_module()
        words = dict(_directives(_text(file)))
        return cls(
            file=file.name,
            module=words.get("module", ""),
            go=words.get("go", ""),
            toolchain=words.get("toolchain", ""),
        )


def _directives(text: str) -> Iterator[tuple[str, str]]:
    """Each line of the form `word argument` outside of blocks; quotes around the argument are taken off."""
    block = False
    for raw in text.splitlines():
        line = re.sub(r"\s*//.*", "", raw).strip()
        if block:
            block = line != ")"
        elif line.endswith("("):
            block = True
        elif (words := line.split()) and len(words) == 2:
            yield words[0], words[1].strip('"`')


def _text(file: Path) -> str:
    data = FILES.data(file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise errors.unreadable(file.name, f"It is not UTF-8 at byte {exc.start}.") from exc
