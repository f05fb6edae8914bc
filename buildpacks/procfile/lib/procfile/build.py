"""Turns each line of the Procfile into a process that ends when it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procfile import errors
from procfile.parse import Line, parse, repeated
from pybuild.libcnb import output, start
from pybuild.libcnb.app_files import AppFiles
from pybuild.libcnb.launch import Built, Process
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext


FILES = AppFiles(1, errors.unreadable)
WANTED = "BP_PROCFILE_DEFAULT_PROCESS"


def build(context: BuildContext) -> Built:
    """One process for each line; `web` is the default, or the only one if nothing else starts the app."""
    output.heading(f"Procfile buildpack {context.version}")
    text = read(context.app / "Procfile")
    lines = parse(text)
    if not lines:
        raise errors.empty()
    for name in repeated(text):
        output.warning(f"The Procfile has {name} more than once; the last one counts.")
    asked = context.setting(WANTED)
    if asked and asked not in [line.type for line in lines]:
        raise errors.no_such_type(asked, [line.type for line in lines])
    default = asked or default_type(lines, context.setting(start.DEFAULT_PROCESS))
    layer = context.layers.fresh_layer("procfile", Types(launch=True))
    output.section("Process types")
    for line in lines:
        output.step(f"{line.type}: {line.command}" + (" (default)" if line.type == default else ""))
    return Built(
        processes=tuple(
            Process(type=line.type, command=start.shell(layer, line.command), default=line.type == default)
            for line in lines
        )
    )


def read(path: Path) -> str:
    """The file's text. Raises a `Problem`."""
    data = FILES.data(path)
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise errors.unreadable(
            path.name, f"It is not UTF-8: byte {exc.object[exc.start]:#04x} at offset {exc.start}."
        ) from exc


def default_type(lines: tuple[Line, ...], already: str) -> str:
    """The process type to start when a user names none; empty when another buildpack has one and we have no `web`."""
    types = [line.type for line in lines]
    if "web" in types:
        return "web"
    return types[0] if len(types) == 1 and not already else ""
