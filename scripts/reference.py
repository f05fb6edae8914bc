"""Writes docs/reference/cli.md and docs/reference/exit-codes.md from the code; `--check` only compares.

`make docs` runs it; a test fails when a committed page is not what the code says.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import click

from pybuild import errors
from pybuild.cli.main import COMMANDS, cli

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
_NOTE = "<!-- Written by scripts/reference.py from the code. Change the code, then run it again. -->\n"
_WIDTH = 96
_CLI_INTRODUCTION = """\
What follows is the text of `--help`. Data goes to standard output, everything else to standard error;
[exit codes](exit-codes.md) have a page of their own.
"""
_EXIT_INTRODUCTION = """\
From 11 on they are those that the Platform API names, as far as it names them. After every code but 0
the last lines on standard error are `ERROR: …` with what happened and `hint: …` with what to try.
"""

# Codes that no class of errors.py stands for.
OTHER_CODES = {
    0: "It worked.",
    2: "The command line itself: an unknown option, a missing argument.",
    70: "A bug in pybuild. The line names a file with the report.",
    129: "The terminal was closed (SIGHUP).",
    130: "Ctrl-C (SIGINT).",
    143: "SIGTERM.",
}


def pages() -> dict[str, str]:
    """Each page by its file name."""
    return {"cli.md": cli_page(), "exit-codes.md": exit_codes_page()}


def cli_page() -> str:
    """Every command with its help, as the program prints it."""
    parts = [
        "# Commands\n",
        _NOTE,
        _CLI_INTRODUCTION,
    ]
    context = click.Context(cli, info_name="pybuild", terminal_width=_WIDTH, **cli.context_settings)
    parts.append(_section("pybuild", cli, context))
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        parts += _sections(name, command, context)
    return "\n".join(parts)


def _sections(name: str, command: click.Command, parent: click.Context) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    found = [_section(context.command_path, command, context)]
    if isinstance(command, click.Group):
        for word, below in sorted(command.commands.items()):
            found += _sections(word, below, context)
    return found


def _section(title: str, command: click.Command, context: click.Context) -> str:
    return f"## {title}\n\n```text\n{command.get_help(context)}\n```\n"


def exit_codes_page() -> str:
    """Every exit code, what it stands for, and what is usually tried next."""
    rows = {code: ("", meaning, "") for code, meaning in OTHER_CODES.items()}
    for kind in _kinds():
        code = kind.exit_code
        if code not in rows:
            rows[code] = (kind.__name__, _first_sentence(kind), kind.usual_hint)
    lines = [
        "# Exit codes\n",
        _NOTE,
        _EXIT_INTRODUCTION,
        "| Code | Error | When | Usual hint |",
        "|---:|---|---|---|",
    ]
    lines += [
        f"| {code} | {f'`{name}`' if name else ''} | {meaning} | {hint} |"
        for code, (name, meaning, hint) in sorted(rows.items())
    ]
    return "\n".join(lines) + "\n"


def _kinds() -> list[type[errors.PybuildError]]:
    """The classes in their order in the file: of two with one code, the more general one comes first."""
    members = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    found = [kind for kind in members if issubclass(kind, errors.PybuildError)]
    return sorted(found, key=lambda kind: inspect.getsourcelines(kind)[1])


def _first_sentence(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].partition("`hint`")[0].replace("\n", " ").strip()


def main() -> int:
    """Write the pages, or with `--check` say which ones are not current."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    stale = []
    for name, text in pages().items():
        path = FOLDER / name
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            path.write_text(text, "utf-8")
    for name in stale:
        print(f"docs/reference/{name} {'is not current' if '--check' in sys.argv[1:] else 'written'}")
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
