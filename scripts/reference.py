"""Writes docs/reference/{cli,exit-codes,phases,events}.md from the code; `--check` only compares.

`make docs` runs it; a test fails when a committed page is not what the code says.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import sys
import typing
from pathlib import Path

import click

from pybuild import errors, events
from pybuild.cli.main import COMMANDS, cli
from pybuild.cli.show.json_log import JsonLog, event_name
from pybuild.lifecycle.inputs import INPUTS, PHASES, Input, PhaseName
from pybuild.spec.api import BUILDPACK_APIS, PLATFORM_APIS

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

_EVENTS_INTRODUCTION = """\
With `--log-format json` every command that shows how it goes on writes one event a line to standard error, as a JSON object
in ASCII. `time` is UTC, `event` the kind; the further fields are below. Nothing is left out for `--quiet`, secrets are
replaced by `***`, and what buildpacks write is one event for each of their lines. New kinds and fields may come: pass over what
you do not know. Standard output stays for data (`--json`), and the [exit code](exit-codes.md) is the same.

```sh
pybuild myapp --log-format json 2> events.jsonl
```

The [Python API](python-api.md) hands over the same events as objects of `pybuild.events`.
"""
_PHASES_INTRODUCTION = f"""\
The programs of the lifecycle, as platforms start them: `/cnb/lifecycle/<phase>`, or `lifecycle <phase>`. Flags are read
as Go's flag package does (`-x v`, `--x=v`; a flag that is on or off takes a value only after `=`) and come before
images. A flag wins over its variable, the variable over the default; an empty variable is an unset one. A number says
since which Platform API a phase knows a flag; elsewhere the flag is a usage error (exit code 2), while its variable
counts in every phase. `<layers>` is the layers directory.

`CNB_PLATFORM_API` has to be set to one of {", ".join(map(str, PLATFORM_APIS))}, or the phase ends with 11; buildpacks may use
the Buildpack APIs {BUILDPACK_APIS[0]} to {BUILDPACK_APIS[-1]}, or it ends with 12. [All exit codes](exit-codes.md).
"""
_PHASE_VARIABLES = """\
## The launcher

The exporter puts a launcher for each app into its image; it needs no Python and reads `CNB_PLATFORM_API`, `CNB_APP_DIR`,
`CNB_LAYERS_DIR` and `CNB_EXEC_ENV`. `/cnb/lifecycle/launcher` of the lifecycle itself makes the same one on the spot. Both end with
11, 12, 82, or the code of the process.

## Variables without a flag

| Variable | Default | What it does |
|---|---|---|
| `CNB_PLATFORM_API` | none | the Platform API to speak |
| `CNB_EXPERIMENTAL_MODE` | `error` | images in OCI layout, and image extensions before Platform API 0.13: `error` refuses them (exit code 1), `warn` says so, `quiet` (or `silent`) lets them pass |
| `CNB_DEPRECATION_MODE` | `warn` | read by no phase: none of the APIs above is deprecated, here or in the Go lifecycle; images are made with `quiet` |
| `CNB_REGISTRY_AUTH` | none | credentials, as JSON from registry to `Authorization` header; after it the Docker configuration |
| `SOURCE_DATE_EPOCH` | 1980-01-01T00:00:01Z | exporter and creator, since 0.9: seconds for the image's time of creation |
| `DOCKER_HOST` | the usual socket | the engine for `-daemon` |
| `TMPDIR` | `/tmp` | where build plans are put while buildpacks run |
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


EVENT_EXAMPLES: tuple[events.Event, ...] = (
    events.PhaseStarted(phase="DETECTING"),
    events.PhaseFinished(phase="DETECTING", seconds=0.412),
    events.BuildpackFinished(buildpack="pybuild/php@0.1.0", seconds=3.207),
    events.Info("2 of 3 buildpacks participating"),
    events.Detail("pass: pybuild/php@0.1.0"),
    events.Warned(".env may hold secrets, and goes into the image", "leave it out: exclude in project.toml"),
    events.Output(source="pybuild/php", data=b"PHP buildpack 0.1.0\n"),
    events.Progress(label="Uploading the app", done=1_048_576, total=4_194_304),
    events.LayerDecided(
        action="reused", owner="pybuild/php", layer="php", reason="no file of it changed", size=78_200_320
    ),
    events.ImageWritten(
        names=("myapp:latest",), image_id=f"sha256:{'5' * 64}", changed=True, size=159_900_000
    ),
    events.Failed(
        message="No buildpack groups passed detection.",
        hint="name the app's folder with --path",
        exit_code=20,
    ),
)


def pages() -> dict[str, str]:
    """Each page by its file name."""
    return {
        "cli.md": cli_page(),
        "exit-codes.md": exit_codes_page(),
        "phases.md": phases_page(),
        "events.md": events_page(),
    }


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


def phases_page() -> str:
    """Every flag and variable of the phases."""
    lines = [
        "# Phases\n",
        _NOTE,
        _PHASES_INTRODUCTION,
        f"| Flag | Variable | Default | {' | '.join(PHASES)} | What it is |",
        "|---|---|---|" + ":-:|" * len(PHASES) + "---|",
    ]
    for each in sorted(INPUTS, key=lambda each: each.flag or "~"):
        default = f"`{each.default}`" if each.default else ""
        flag = f"`-{each.flag}`{_TAKES[each.kind]}" if each.flag else ""
        variable = f"`{each.variable}`" if each.variable else ""
        known = " | ".join(_known(each, phase) for phase in PHASES)
        lines.append(f"| {flag} | {variable} | {default} | {known} | {each.help} |")
    return "\n".join([*lines, "", _PHASE_VARIABLES])


_TAKES = {"bool": "", "int": " N", "list": " V, again for more", "text": " V"}


def _known(each: Input, phase: PhaseName) -> str:
    """Since or until when a phase has a flag."""
    if not each.flag:
        return ""
    apis = [api for api in PLATFORM_APIS if each.known(phase, api)]
    if not apis:
        return ""
    if apis[-1] != PLATFORM_APIS[-1]:
        return f"up to {apis[-1]}"
    return "●" if apis[0] == PLATFORM_APIS[0] else f"{apis[0]}+"


def events_page() -> str:
    """Every kind of event, as `--log-format json` writes it and as the Python API hands it over."""
    lines = ["# Events\n", _NOTE, _EVENTS_INTRODUCTION]
    for kind in typing.get_args(events.Event):
        example = next(each for each in EVENT_EXAMPLES if isinstance(each, kind))
        lines.append(f"## {event_name(kind)}\n")
        lines.append(f"{' '.join((inspect.getdoc(kind) or '').split())}\n")
        lines.append("| Field | Type |\n|---|---|")
        lines += [f"| `{field.name}` | {_type_of(field)} |" for field in dataclasses.fields(kind)]
        lines.append(f"\n```json\n{_as_line(example)}```\n")
    return "\n".join(lines)


def _type_of(field: dataclasses.Field[typing.Any]) -> str:
    """What JSON has for it."""
    text = str(field.type)
    if text == "Phase":
        return ", ".join(f"`{phase}`" for phase in typing.get_args(events.Phase))
    if text.startswith("Literal["):
        return ", ".join(f"`{word.strip()[1:-1]}`" for word in text[8:-1].split(","))
    names = {"str": "text", "int": "integer", "float": "number", "bool": "true or false"}
    names |= {"bytes": "text, called `text`", "tuple[str, ...]": "list of texts"}
    return names[text]


def _as_line(event: events.Event) -> str:
    stream = io.BytesIO()
    JsonLog(stream=stream, clock=lambda: 1_767_225_600.0)(event)
    return stream.getvalue().decode()


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
