"""Options that several commands share, and the console that they lead to."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybuild import events
from pybuild.errors import BuildpackFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pybuild.cli.console import Console

_F = TypeVar("_F", bound="Callable[..., Any]")

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""What every command says to click."""


class Aliased(click.Group):
    """A group of commands that some people know by other names. `aliases`: from those to ours."""

    def __init__(self, *args: Any, aliases: Mapping[str, str] | None = None, **words: Any) -> None:
        super().__init__(*args, **words)
        self._aliases = aliases or {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group`."""
        return super().get_command(ctx, self._aliases.get(cmd_name, cmd_name))


unset_option = click.option("-u", "--unset", is_flag=True, help="Take the setting back.")


def output_options(function: _F) -> _F:
    """`-q`, `-v`, `--no-color`, `--timestamps`: how much is shown, and how."""
    for option in (
        click.option("--timestamps", is_flag=True, help="Begin every line with the time."),
        click.option("--no-color", is_flag=True, help="No colours; so does the variable NO_COLOR."),
        click.option("-v", "--verbose", is_flag=True, help="Show every decision, and why."),
        click.option("-q", "--quiet", is_flag=True, help="Show warnings and errors only."),
    ):
        function = option(function)
    return function


def usual(words: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `output_options`; the usual ones for a command that a group calls by itself, without words."""
    return {"quiet": False, "verbose": False, "no_color": False, "timestamps": False, **words}


insecure_registry_option = click.option(
    "--insecure-registry",
    "insecure_registries",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Registry whose certificate is not checked, or that has none.",
)


_MAKER: ContextVar[Callable[..., Console] | None] = ContextVar("maker", default=None)


@contextmanager
def shown_by(maker: Callable[..., Console]) -> Iterator[None]:
    """Until the block ends, commands show events by what `maker` makes of the values of `output_options`."""
    token = _MAKER.set(maker)
    try:
        yield
    finally:
        _MAKER.reset(token)


@contextmanager
def console(
    *, quiet: bool, verbose: bool, no_color: bool, timestamps: bool, brief: bool = False
) -> Iterator[Console]:
    """Show events on standard error until the block ends."""
    from pybuild.cli.console import Console
    from pybuild.cli.table import line_width

    terminal = sys.stderr.isatty()
    maker = _MAKER.get() or Console
    shown = maker(
        stream=sys.stderr.buffer,
        verbosity=-1 if quiet else 1 if verbose else 0,
        # no-color.org: any value but the empty one turns colours off.
        colour=terminal
        and not no_color
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb",
        terminal=terminal,
        timestamps=timestamps,
        brief=brief,
        width=line_width(),
    )
    with events.listening(shown):
        try:
            yield shown
        except BuildpackFailed:
            shown.tell_failure()
            raise
        finally:
            shown.flush()
