"""`pybuild`: choose the command, carry it out, print what went wrong, exit with the error's own code.

Only the module of the command that was asked for is imported, so that `pybuild --version` starts at once.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

from pybuild import __version__, events
from pybuild.cli.signals import UNCHANGED, Stopped
from pybuild.errors import DiskFull, PybuildError

if TYPE_CHECKING:
    from collections.abc import Sequence

# The command's name, the module that has it as `command`, and its line in the help.
COMMANDS = {
    "build": ("pybuild.cli.build", "Turn the source in a folder into a runnable image."),
    "detect": ("pybuild.cli.detect", "Say what would be built, and why each buildpack passed or failed."),
    "plan": ("pybuild.cli.plan", "Say what a build would do, and which layers it would use again."),
    "run": ("pybuild.cli.run", "Run an app image here, and show where it is."),
    "debug": ("pybuild.cli.debug", "Open a shell in a failed build that was kept."),
    "rebase": ("pybuild.cli.rebase", "Put app images onto the newest run image, without a build."),
    "compare": ("pybuild.cli.compare", "Show what differs between two images, or between pybuild and pack."),
    "builder": ("pybuild.cli.builder", "Make builders, and look into them."),
    "buildpack": ("pybuild.cli.buildpack", "Write, check, test, package and share buildpacks."),
    "extension": ("pybuild.cli.extension", "Write and package image extensions."),
    "size": ("pybuild.cli.size", "Show what makes an image as large as it is."),
    "inspect": ("pybuild.cli.inspect", "Show what an app image is made of and how it starts."),
    "sbom": ("pybuild.cli.sbom", "Show and write what is in an app image: its bills of materials."),
    "manifest": ("pybuild.cli.manifest", "Put images of several platforms under one name."),
    "config": ("pybuild.cli.config", "Show and change the settings that hold for all builds."),
    "signature": ("pybuild.cli.signature", "Sign images in a registry, and check who signed them."),
    "lock": ("pybuild.cli.lock", "Pin the builder and the run image that an app is built with."),
    "verify": ("pybuild.cli.verify", "Build twice from nothing, and show the first byte that differs."),
    "cache": ("pybuild.cli.cache", "List and remove the caches that builds keep."),
    "doctor": ("pybuild.cli.doctor", "Check the engine, the builder, certificates and disk space."),
    "report": ("pybuild.cli.report", "Print what is worth knowing when something does not work."),
    "completion": ("pybuild.cli.completion", "Print a shell's completion script."),
    "pack-compat": ("pybuild.cli.pack.compat", "Do what pack would do, with its arguments and in its words."),
    "version": ("pybuild.cli.version", "Print the version."),
}

_ALIASES = {"inspect-image": "inspect"}

_BUG = 70  # EX_SOFTWARE of sysexits.h: the error is ours


class _Commands(click.Group):
    """The commands of `COMMANDS`; anything else in first place is the name of an image to build."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        cmd_name = _ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*COMMANDS, *_ALIASES, "--help", "-h", "--version"}:
            _refuse_mistyped(args[0])
            args = ["build", *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        formatter.write_usage("pybuild", "IMAGE [OPTIONS]\npybuild COMMAND [ARGS]…")


def _refuse_mistyped(word: str) -> None:
    """Raise `click.UsageError` for a word that is all but a command: no image is built because of a typing error."""
    import difflib

    close = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.8)
    if close:
        raise click.UsageError(
            f"there is no command {word!r}; did you mean: pybuild {close[0]}"
            f" (an image of that name: pybuild build {word})"
        )


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
    epilog="Examples:  pybuild myapp   |   pybuild myapp --path ./web   |   pybuild detect",
)
@click.version_option(__version__, message="%(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Turn source code into a runnable OCI image, without a Dockerfile.

    `pybuild IMAGE` in a repository's root is short for `pybuild build IMAGE`.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


def run(args: Sequence[str]) -> int:
    """Carry out one command line; return its exit code. Prints errors, one sentence each, with a hint."""
    try:
        result: Any = cli.main(args=list(args), prog_name="pybuild", standalone_mode=False)
    except PybuildError as exc:
        return _failed(str(exc), exc.hint, exc.exit_code)
    except Stopped as exc:
        return _failed("stopped", UNCHANGED, exc.exit_code)
    except KeyboardInterrupt:
        return _failed("stopped", UNCHANGED, 130)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.ClickException as exc:
        return _usage(exc)
    except OSError as exc:
        import errno

        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            return _failed(
                f"no space left for {exc.filename or 'temporary files'}",
                "free some space, or set TMPDIR to a folder on another disk",
                DiskFull.exit_code,
            )
        return told_bug(exc)
    except Exception as exc:  # noqa: BLE001 - the last line before a traceback would reach the user
        return told_bug(exc)
    return result if isinstance(result, int) else 0


def _failed(message: str, hint: str, code: int) -> int:
    from pybuild.cli.show.console import printable

    _print(f"ERROR: {printable(events.redact(message))}")
    if hint:
        _print(f"  hint: {printable(events.redact(hint))}")
    return code


def _usage(exc: click.ClickException) -> int:
    _print(f"ERROR: {exc.format_message()}")
    context = getattr(exc, "ctx", None)
    path = context.command_path if context else "pybuild"
    _print(f"  hint: {path} --help")
    return exc.exit_code


def told_bug(exc: Exception) -> int:
    """Tell of an error that is ours, with a report in a file; the exit code for it."""
    from pybuild.cli.bug import report

    path = report(exc, sys.argv)
    _print(f"ERROR: this is a bug in pybuild: {type(exc).__name__}: {events.redact(str(exc))[:200]}")
    if path:
        _print(f"  hint: please report it, with {path}")
    return _BUG


def _print(line: str) -> None:
    try:
        sys.stderr.write(line + "\n")
    except UnicodeEncodeError:
        sys.stderr.write(line.encode("ascii", "backslashreplace").decode() + "\n")
    except BrokenPipeError:
        pass
