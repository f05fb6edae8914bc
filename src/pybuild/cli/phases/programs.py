"""The phases of the lifecycle as programs: which one is asked for, its words read, its error told, its exit code.

A program is called by a phase's name (`/cnb/lifecycle/detector`), or as `lifecycle detect`. Everything goes to
standard output, errors included, as platforms know it of the Go lifecycle (GO-66).

Specification: platform.md, "Usage", "Platform API Compatibility", "Exit codes".
"""

from __future__ import annotations

import importlib
import os
import sys
from functools import partial
from typing import IO, TYPE_CHECKING

from pybuild import events
from pybuild.cli.phases.run import IDENTITY, PhaseRun
from pybuild.cli.phases.stores import STORES
from pybuild.cli.show.console import Console, printable
from pybuild.cli.signals import Stopped, carry_out
from pybuild.errors import InvalidInput, PlatformApiUnsupported, PybuildError
from pybuild.lifecycle.go_flags import UsageError
from pybuild.lifecycle.inputs import PHASES, VERSION, PhaseName, read_inputs
from pybuild.spec.api import check_platform_api

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.cli.phases.run import StoreOpener
    from pybuild.spec.labels import LauncherIdentity

# Where each phase's program is, and what `lifecycle` calls it.
_PROGRAMS: Mapping[PhaseName, tuple[str, str]] = {
    "analyzer": ("pybuild.cli.phases.analyze", "analyze"),
    "detector": ("pybuild.cli.phases.detect", "detect"),
    "restorer": ("pybuild.cli.phases.restore", "restore"),
    "builder": ("pybuild.cli.phases.build", "build"),
    "exporter": ("pybuild.cli.phases.export", "export"),
    "creator": ("pybuild.cli.phases.create", "create"),
    "rebaser": ("pybuild.cli.phases.rebase", "rebase"),
    "extender": ("pybuild.cli.phases.extend", "extend"),
}
_VERBOSITY = {"debug": 1, "info": 0, "warn": -1, "warning": -1, "error": -2, "fatal": -2}
_BUG = 2  # what the Go lifecycle ends with when it panics


def run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    stream: IO[bytes],
    *,
    stores: Mapping[str, StoreOpener] = STORES,
    identity: LauncherIdentity = IDENTITY,
) -> int:
    """Carry out one command line; return its exit code. `argv`: with the program's name; `stream`: for all words."""
    console = Console(stream=stream)
    try:
        _carry_out(argv, environ, console, stores, identity)
    except UsageError as exc:
        stream.write(f"{exc.text}\n".encode(errors="backslashreplace"))
        return exc.code
    except PybuildError as exc:
        return _failed(console, exc)
    except Stopped as exc:
        console.line("ERROR: stopped", level=-2)
        return exc.exit_code
    except Exception as exc:  # noqa: BLE001 - the last line before a traceback would reach the user
        from pybuild.cli.bug import report

        path = report(exc, argv)
        console.line(f"ERROR: this is a bug in pybuild: {type(exc).__name__}: {exc} (see {path})", level=-2)
        return _BUG
    return 0


def main() -> None:
    """The program that this process was started as."""
    # The standard output of a launch belongs to the app (ADR 4).
    stream = sys.stderr.buffer if _launched(sys.argv) else sys.stdout.buffer
    carry_out(partial(run, sys.argv, os.environ, stream))


def _carry_out(
    argv: Sequence[str],
    environ: Mapping[str, str],
    console: Console,
    stores: Mapping[str, StoreOpener],
    identity: LauncherIdentity,
) -> None:
    launched = _launched(argv)
    if launched:
        from pybuild.cli.phases.launch import launch

        launch(launched, environ, check_platform_api(_platform_api(environ)))
    if _program_name(argv) not in PHASES and list(argv[1:2]) == ["confirm"]:
        from pybuild.cli.phases.confirm import confirm_detection

        with events.listening(console):
            confirm_detection(argv[2:], environ, check_platform_api(_platform_api(environ)))
        console.flush()
        return
    phase, words = _asked(argv)
    if phase is None:
        console.line(VERSION)
        return
    api = check_platform_api(_platform_api(environ))
    inputs = read_inputs(phase, words, environ, api)
    if inputs.version:
        console.line(VERSION)
        return
    if inputs.log_level.lower() not in _VERBOSITY:
        raise PybuildError(
            f"failed to parse log level: {inputs.log_level!r}", hint="debug, info, warn or error"
        )
    console.verbosity = _VERBOSITY[inputs.log_level.lower()]
    console.colour = not inputs.no_color and console.stream.isatty()
    program = getattr(importlib.import_module(_PROGRAMS[phase][0]), phase)
    with events.listening(console):
        for word in inputs.images:
            if word.startswith("-"):
                events.warn(f"unconsumed flag-like positional arg: {word}", hint="flags come before images")
        program(
            PhaseRun(phase=phase, inputs=inputs, api=api, environ=environ, stores=stores, identity=identity)
        )
    console.flush()


def _launched(argv: Sequence[str]) -> Sequence[str]:
    """What the launcher was called as and its arguments, where it was: `lifecycle launcher /cnb/process/web WORD…`."""
    if _program_name(argv) not in PHASES and list(argv[1:2]) == ["launcher"]:
        return argv[2:] or ("launcher",)
    return ()


def _asked(argv: Sequence[str]) -> tuple[PhaseName | None, Sequence[str]]:
    """The phase and its words; None for `lifecycle -version`."""
    name = _program_name(argv)
    for phase in PHASES:
        if name == phase:
            return phase, argv[1:]
    verb = argv[1] if argv[1:] else ""
    if verb in ("-version", "--version"):
        return None, ()
    for phase, (_, word) in _PROGRAMS.items():
        if verb in (phase, word):
            return phase, argv[2:]
    verbs = ", ".join(word for _, word in _PROGRAMS.values())
    raise InvalidInput(f"{name} {verb}: no phase of that name", hint=f"phases are: {verbs}")


def _program_name(argv: Sequence[str]) -> str:
    return os.path.splitext(os.path.basename(argv[0] if argv else ""))[0]  # noqa: PTH119, PTH122


def _platform_api(environ: Mapping[str, str]) -> str:
    text = environ.get("CNB_PLATFORM_API", "").strip()
    if not text:
        raise PlatformApiUnsupported(
            "get platform API version: CNB_PLATFORM_API is not set",
            hint="please set 'CNB_PLATFORM_API' to specify the desired platform API version",
        )
    return text


def _failed(console: Console, exc: PybuildError) -> int:
    console.line(f"ERROR: {printable(str(exc))}", level=-2)
    # The usual hints are for users of the command `pybuild`.
    if exc.hint and exc.hint != exc.usual_hint:
        console.line(f"ERROR: {printable(exc.hint)}", level=-2)
    return exc.exit_code


if __name__ == "__main__":
    main()
