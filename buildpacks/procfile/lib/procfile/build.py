"""Turns each line of the Procfile into a process that ends when it is told to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from procfile import errors
from procfile.parse import MAX_BYTES, Line, parse, repeated
from pybuild.libcnb import output
from pybuild.libcnb.launch import Built, Process

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext

# An earlier buildpack that starts the app by itself names its default process here.
DEFAULT_PROCESS = "PYBUILD_DEFAULT_PROCESS"

# What only a shell can run: several commands, control flow, builtins, assignments in front.
_NOT_SIMPLE = re.compile(
    r"[;&|(){}`\n]|^\s*(?:[A-Za-z_]\w*\+?=|(?:exec|source|\.|eval|cd|export|set|trap|if|for|while|until|case|time|!|\[\[)\s)"
)

# A shell that is process 1 ignores SIGTERM, and one that waits for a command handles it too late. So a line that needs
# a shell runs in a process group of its own, and this one passes the signal on to the whole group.
SUPERVISE = """\
setsid bash -c "$1" <&0 & group=$!
trap 'told=1; kill -TERM -- "-$group" 2>/dev/null' TERM INT HUP
{ wait "$group"; status=$?
while [ -n "${told-}" ] && [ "$status" -gt 128 ]; do
    told=
    wait "$group"; next=$?
    [ "$next" -eq 127 ] && break
    status=$next
done; } 2>/dev/null
exit "$status"
"""


def build(context: BuildContext) -> Built:
    """One process for each line; `web` is the default, or the only one if nothing else starts the app."""
    output.heading(f"Procfile buildpack {context.version}")
    text = read(context.app / "Procfile")
    lines = parse(text)
    if not lines:
        raise errors.empty()
    for name in repeated(text):
        output.warning(f"The Procfile has {name} more than once; the last one counts.")
    default = default_type(lines, context.setting(DEFAULT_PROCESS))
    output.section("Process types")
    for line in lines:
        output.step(f"{line.type}: {line.command}" + (" (default)" if line.type == default else ""))
    return Built(
        processes=tuple(
            Process(type=line.type, command=command(line.command), default=line.type == default)
            for line in lines
        )
    )


def read(path: Path) -> str:
    """The file's text. Raises a `Problem`."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise errors.unreadable(f"It is larger than {MAX_BYTES} bytes.")
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise errors.unreadable(
            f"It is not UTF-8: byte {exc.object[exc.start]:#04x} at offset {exc.start}."
        ) from exc


def default_type(lines: tuple[Line, ...], already: str) -> str:
    """The process type to start when a user names none; empty when another buildpack has one and we have no `web`."""
    types = [line.type for line in lines]
    if "web" in types:
        return "web"
    return types[0] if len(types) == 1 and not already else ""


def command(text: str) -> tuple[str, ...]:
    """The words to start: bash for the variables and quotes, replaced by the program where it can be."""
    if _NOT_SIMPLE.search(text):
        return ("bash", "-c", SUPERVISE, "procfile", text)
    return ("bash", "-c", f"exec {text}")
