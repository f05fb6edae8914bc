"""Options that several commands share, and the console that they lead to."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybuild import events
from pybuild.errors import BuildpackFailed, PybuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pybuild.cli.console import Console
    from pybuild.cli.json_log import JsonLog

_LOG_FORMAT = "pybuild.log_format"
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


def listed(name: str, text: str) -> Callable[[Any], click.Group]:
    """A group of commands that shows its list when none of them is given."""
    return click.group(name, cls=Aliased, context_settings=CONTEXT, invoke_without_command=True, help=text)


unset_option = click.option("-u", "--unset", is_flag=True, help="Take the setting back.")


def output_options(function: _F) -> _F:
    """`-q`, `-v`, `--no-color`, `--timestamps`, `--log-format`: how much is shown, and how."""
    for option in (
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            default="text",
            expose_value=False,
            callback=_keep_log_format,
            help="How events are written: for people, or one JSON object a line.",
        ),
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


def _keep_log_format(context: click.Context, parameter: click.Parameter, value: str) -> None:  # noqa: ARG001 - click's signature
    context.meta[_LOG_FORMAT] = value


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
) -> Iterator[Console | JsonLog]:
    """Show events on standard error until the block ends, and how it ended where the format is JSON."""
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.get(_LOG_FORMAT) == "json":
        from pybuild.cli.json_log import JsonLog

        log = JsonLog(stream=sys.stderr.buffer)
        with events.listening(log), _told_as_event():
            try:
                yield log
            finally:
                log.flush()
        return
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


@contextmanager
def _told_as_event() -> Iterator[None]:
    """Let an error be the last event, instead of the lines that people get."""
    from pybuild.cli.signals import Stopped

    try:
        yield
    except PybuildError as exc:
        failed = events.Failed(message=str(exc), hint=exc.hint, exit_code=exc.exit_code)
    except Stopped as exc:
        failed = events.Failed(message="stopped", hint="", exit_code=exc.exit_code)
    else:
        return
    events.emit(failed)
    raise click.exceptions.Exit(failed.exit_code)
