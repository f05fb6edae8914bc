"""All that this buildpack tells a user whose Procfile it cannot read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.problem import Paste, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXAMPLE = "web: ./serve --port $PORT\nworker: ./work"


def malformed(line: str, number: int, column: int, expected: str) -> Problem:
    """A line that is no `name: command`; `column` counts from 0."""
    shown = line.replace("\t", " ").rstrip()[:200]
    return Problem(
        "The Procfile has a line that cannot be read",
        f"Procfile:{number}:{column + 1}: expected {expected}\n\n"
        f"{number:4} | {shown}\n     | {' ' * min(column, len(shown))}^",
        paste=Paste(file="with two process types looks like this", text=_EXAMPLE, action="A Procfile"),
    )


def empty() -> Problem:
    """A Procfile without a process type."""
    return Problem(
        "The Procfile has no process types",
        "It is empty, or has only comments.",
        steps=("Add a line with a process type and its command.", "Or delete the file."),
        paste=Paste(file="Procfile", text=_EXAMPLE, action="For example, write this to"),
    )


def unreadable(name: str, reason: str) -> Problem:
    """A Procfile that is no text, or too long."""
    return Problem(
        f"The {name} cannot be read", reason, steps=("Save it as UTF-8 text, one process type a line.",)
    )


def no_such_type(asked: str, types: Sequence[str]) -> Problem:
    """`BP_PROCFILE_DEFAULT_PROCESS` names a type that is not there."""
    return Problem(
        "The process to start by default is not in the Procfile",
        f"BP_PROCFILE_DEFAULT_PROCESS asks for {asked}; the Procfile has {', '.join(types)}.",
        steps=("Correct the variable, or add a line for that process type.",),
    )
