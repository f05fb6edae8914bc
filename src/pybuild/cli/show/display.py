"""How much a command shows, and how: the options for it, which every command has, and the console they lead to."""

from __future__ import annotations

import functools
import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

import click

from pybuild import events
from pybuild.errors import BuildpackFailed, PybuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pybuild.cli.show.console import Console
    from pybuild.cli.show.json_log import JsonLog

_LOG_FORMAT = "pybuild.log_format"
_F = TypeVar("_F", bound="Callable[..., Any]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """The values of `output_options`."""

    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    timestamps: bool = False

    def coloured(self, stream: TextIO) -> bool:
        """Whether what goes to the stream may have colours."""
        environ: Mapping[str, str] = os.environ
        # no-color.org: any value but the empty one turns colours off.
        wanted = not self.no_color and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        return wanted and stream.isatty()

    @contextmanager
    def console(self, *, brief: bool = False) -> Iterator[Console | JsonLog]:
        """Show events on standard error until the block ends, and how it ended where the format is JSON."""
        context = click.get_current_context(silent=True)
        as_json = context is not None and context.meta.get(_LOG_FORMAT) == "json"
        with _json_log() if as_json else self._text(brief=brief) as shown:
            yield shown

    @contextmanager
    def _text(self, *, brief: bool) -> Iterator[Console]:
        from pybuild.cli.show.console import Console
        from pybuild.cli.show.table import line_width

        maker = _MAKER.get() or Console
        shown = maker(
            stream=sys.stderr.buffer,
            verbosity=-1 if self.quiet else 1 if self.verbose else 0,
            colour=self.coloured(sys.stderr),
            terminal=sys.stderr.isatty(),
            timestamps=self.timestamps,
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


def output_options(function: _F) -> _F:
    """`-q`, `-v`, `--no-color`, `--timestamps`, `--log-format`: given to the command as one value, `display`."""

    @functools.wraps(function)
    def command(
        *args: Any,
        quiet: bool = False,
        verbose: bool = False,
        no_color: bool = False,
        timestamps: bool = False,
        **words: Any,
    ) -> Any:
        display = Display(quiet=quiet, verbose=verbose, no_color=no_color, timestamps=timestamps)
        return function(*args, display=display, **words)

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
        command = option(command)
    return cast(_F, command)


def _keep_log_format(context: click.Context, parameter: click.Parameter, value: str) -> None:  # noqa: ARG001 - click's signature
    context.meta[_LOG_FORMAT] = value


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
def _json_log() -> Iterator[JsonLog]:
    from pybuild.cli.show.json_log import JsonLog

    log = JsonLog(stream=sys.stderr.buffer)
    with events.listening(log), _told_as_event():
        try:
            yield log
        finally:
            log.flush()


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
