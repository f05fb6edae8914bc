"""`pybuild pack-compat -- ARGS` and the program `pybuild-pack`: what `pack ARGS` would do, in its words.

For scripts that call `pack` and look at what it prints: its arguments, its settings in `$PACK_HOME`, its lines on
standard output, its exit codes (0, 1, and 2 where no builder is chosen). Where we differ: docs/reference/pack.md.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from pybuild import __version__, events
from pybuild.cli.options import CONTEXT
from pybuild.cli.pack import arguments
from pybuild.cli.pack.arguments import NO_BUILDER
from pybuild.cli.show.display import shown_by
from pybuild.cli.signals import Stopped
from pybuild.errors import InvalidFile, PybuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pybuild.cli.pack.arguments import PackCall

PACK_VERSION = "0.40.5"
"""The version of `pack` whose words these are."""

_FAILED = 1
# What `pack` puts before an error of a command, and before one about the file that the command reads.
_DOING: dict[tuple[str, ...], str] = {("build",): "failed to build: "}
_READING: dict[tuple[str, ...], str] = {
    ("buildpack", "package"): "reading config: ",
    ("extension", "package"): "reading config: ",
    ("builder", "create"): "invalid builder toml: ",
}
# Commands whose output is data: details would stand in the middle of it.
_DATA = {"inspect", "report", "version", "completion", "help", "stack"}
VERSION = f"{PACK_VERSION}+pybuild-{__version__}"
"""What is said of the version, here and in builders that are made."""

# Commands that ask registries each time, unless told otherwise.
_PULLING = {("builder", "create"), ("buildpack", "package"), ("extension", "package")}
_NO_SUCH = 'Error: unknown command "{0}" for "pack"\nRun \'pack --help\' for usage.\n'


@click.command(
    "pack-compat",
    context_settings={**CONTEXT, "ignore_unknown_options": True, "allow_interspersed_args": False},
    add_help_option=False,
    epilog="Example:  pybuild pack-compat -- build myapp --path ./web",
)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(args: tuple[str, ...]) -> int:
    """Do what `pack ARGS` would do, with its settings and in its words. The program `pybuild-pack` is the same."""
    return pack(args[1:] if args[:1] == ("--",) else args)


def pack(args: Sequence[str]) -> int:
    """Carry out one command line of `pack`; return its exit code."""
    call = arguments.read(args)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Lines come by two ways, and scripts want them in order.
        sys.stdout.reconfigure(line_buffering=True)
    with _packs_settings():
        try:
            return _carry_out(call)
        except PybuildError as exc:
            return _failed(call, exc)
        except Stopped as exc:
            _print_error("ERROR: stopped")
            return exc.exit_code
        except click.exceptions.Exit as exc:
            return exc.exit_code
        except click.NoSuchOption as exc:
            _print_error(f"Error: unknown flag: {exc.option_name}")
            return _FAILED
        except click.ClickException as exc:
            _print_error(f"Error: {exc.format_message()}")
            return _FAILED
        except Exception as exc:  # noqa: BLE001 - the last line before a traceback would reach the user
            from pybuild.cli.main import told_bug

            return told_bug(exc)


def _carry_out(call: PackCall) -> int:
    if call.words[:1] in ((), ("--help",), ("-h",)):
        return _help(())
    if call.command == "--version":
        return _version(call)
    if call.command not in arguments.COMMANDS:
        sys.stderr.write(_NO_SUCH.format(call.command))
        return _FAILED
    if call.deprecated:
        new = " ".join(arguments.DEPRECATED[call.deprecated])
        print(
            f"Warning: Command 'pack {call.deprecated}' has been deprecated, please use 'pack {new}' instead"
        )
    for option in call.dropped:
        print(f"Warning: {option} changes nothing in pybuild")
    own = _OWN.get(call.command)
    return own(call) if own else run_ours(call)


def run_ours(call: PackCall) -> int:
    """Our command of the same name, shown in `pack`'s words."""
    from pybuild.cli.main import cli

    words = [*call.words]
    if call.words[:2] in _PULLING and not any(word.startswith("--pull-policy") for word in words):
        from pybuild.platform import config

        words += ["--pull-policy", config.load(os.environ).pull_policy or "always"]
    if call.words[:2] == ("builder", "create"):
        words += ["--made-by", f"Pack CLI@{VERSION}"]
    if call.command not in _DATA:
        # A group that is called without a verb shows a list, and has no options of its own.
        words += call.flags if _takes_options(words) else []
    from pybuild.cli.pack.build import typed
    from pybuild.cli.pack.words import console_maker

    with shown_by(console_maker(call, typed(call.rest))):
        result: Any = cli.main(args=words, prog_name="pack", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _takes_options(words: Sequence[str]) -> bool:
    from pybuild.cli.main import cli

    command: click.Command | None = cli
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word)
    return not isinstance(command, click.Group)


def _build(call: PackCall) -> int:
    from pybuild.cli.pack.build import build

    return build(call)


def _rebase(call: PackCall) -> int:
    from pybuild.cli.pack.build import rebase

    return rebase(call)


def _builder(call: PackCall) -> int:
    from pybuild.cli.pack.texts import no_builder
    from pybuild.platform import config

    named = [word for word in call.rest[1:] if not word.startswith("-")]
    if call.rest[:1] == ("inspect",) and not named and not config.load(os.environ).default_builder:
        print(no_builder())
        return NO_BUILDER
    return run_ours(call)


def _version(_call: PackCall) -> int:
    print(VERSION)
    return 0


def _help(words: Sequence[str]) -> int:
    from pybuild.cli.main import cli

    if words and words[0] not in arguments.COMMANDS:
        sys.stdout.write(f"Unknown help topic [`{' '.join(words)}`]\nRun 'pack --help' for usage.\n")
        return 0
    cli.main(args=[*words, "--help"], prog_name="pack", standalone_mode=False)
    return 0


def _report(call: PackCall) -> int:
    from pybuild.cli.pack.texts import report

    print(report(VERSION, explicit="-e" in call.rest or "--explicit" in call.rest))
    return 0


def _stack(call: PackCall) -> int:
    from pybuild.cli.pack.texts import STACKS

    if call.rest[:1] != ("suggest",):
        return _help(("stack",))
    sys.stdout.write(STACKS)
    return 0


def _completion(call: PackCall) -> int:
    from pybuild.cli.pack.texts import write_completion

    parser = click.Command("completion", params=[click.Option(["-s", "--shell"], default="bash")])
    print(write_completion(parser.make_context("pack completion", [*call.rest]).params["shell"]))
    return 0


def _config(call: PackCall) -> int:
    code = run_ours(call)
    if call.rest[:1] == ("experimental",) and len(call.rest) > 1:
        from pybuild.cli.pack.texts import settle_layout_folder

        settle_layout_folder()
    return code


_OWN: dict[str, Callable[[PackCall], int]] = {
    "build": _build,
    "builder": _builder,
    "rebase": _rebase,
    "version": _version,
    "help": lambda call: _help(call.rest),
    "report": _report,
    "stack": _stack,
    "completion": _completion,
    "config": _config,
}


@contextmanager
def _packs_settings() -> Iterator[None]:
    """For its block, our settings are the file that `pack` has."""
    from pybuild.platform.config import PATH_VARIABLE, pack_config_path

    before = os.environ.get(PATH_VARIABLE)
    os.environ[PATH_VARIABLE] = str(pack_config_path(os.environ))
    try:
        yield
    finally:
        del os.environ[PATH_VARIABLE]
        if before is not None:
            os.environ[PATH_VARIABLE] = before


def _failed(call: PackCall, exc: PybuildError) -> int:
    from pybuild.cli.pack.words import error_in_packs_words
    from pybuild.cli.show.console import printable

    said = printable(events.redact(error_in_packs_words(str(exc))))
    doing = _DOING.get(call.words[:1], "")
    if isinstance(exc, InvalidFile):
        doing = _READING.get(call.words[:2], doing)
    _print_error(f"ERROR: {doing}{said}")
    if exc.hint:
        _print_error(f"  hint: {printable(events.redact(exc.hint))}")
    return _FAILED


def _print_error(line: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(line + "\n")
