"""The launcher of one app image, as one sh script: the template `launch.sh` with what is known at export filled in.

Specification: platform.md, "launcher"; buildpack.md, "Environment Variable Modification Rules". All text that
comes from a buildpack enters the script through `_quote` and nowhere else.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from pybuild.launcher.inputs import ENV_DIRECTORIES
from pybuild.spec.api import ApiVersion
from pybuild.spec.environ import LAUNCH_PATHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pybuild.launcher.inputs import LauncherInputs, LaunchLayer
    from pybuild.spec.launch import Process

_ARGS_REPLACED = ApiVersion(0, 9)  # Buildpack API
_CHARACTERS = {
    "one": "\1",
    "backspace": "\b",
    "tab": "\t",
    "newline": "\n",
    "form_feed": "\f",
    "return": "\r",
    "escape": "\x1b",
    "blank": " \t\r",
}


def compile_launcher(inputs: LauncherInputs) -> bytes:
    """The file /cnb/lifecycle/launcher, to be installed with mode 0755; `/cnb/process/<type>` link to it."""
    data: dict[str, Iterable[str]] = {
        "characters": [f"cnb_{name}={_quote(text)}" for name, text in _CHARACTERS.items()],
        "parts": _parts(inputs),
        "failure": _failure(inputs),
        "places": _places(inputs),
        "processes": _processes(inputs),
        "environment": _environment(inputs),
        "exec.d": _each_file(inputs, "exec_d", lambda layer: layer.exec_d),
        "profile.d": _each_file(inputs, "profile", lambda layer: layer.profile_d),
    }
    return "".join(f"{line}\n" for line in _fill(data)).encode("utf-8", "surrogateescape")


@cache
def _source(name: str) -> tuple[str, ...]:
    """The lines of one of our sh files, without comments and indentation."""
    text = files("pybuild.launcher").joinpath(name).read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and (not line.startswith("#") or line.startswith("#@ ")))


def _fill(data: Mapping[str, Iterable[str]]) -> Iterator[str]:
    yield "#!/bin/sh"
    for line in _source("launch.sh"):
        if line.startswith("#@ "):
            yield from data[line[3:]]
        else:
            yield line


def _parts(inputs: LauncherInputs) -> Iterator[str]:
    layers = [layer for buildpack in inputs.buildpacks for layer in buildpack.layers]
    unread = any(layer.unread for layer in layers)
    if unread or any(layer.exec_d for layer in layers):
        yield from _source("exec_d.sh")
    if unread:
        yield from _source("unread.sh")


def _quote(text: str) -> str:
    """As one word of shell source that means exactly this text, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


def _call(function: str, *words: str) -> str:
    return " ".join((function, *map(_quote, words)))


def _failure(inputs: LauncherInputs) -> list[str]:
    return [_call("fail", str(inputs.broken.exit_code), inputs.broken.message)] if inputs.broken else []


def _places(inputs: LauncherInputs) -> Iterator[str]:
    for name, default in (("layers", inputs.layers_dir), ("app", inputs.app_dir)):
        yield f"cnb_{name}=${{CNB_{name.upper()}_DIR-}}"
        yield f'[ -n "$cnb_{name}" ] || cnb_{name}={_quote(default)}'
    yield "cnb_layers=${cnb_layers%/}"


def _processes(inputs: LauncherInputs) -> Iterator[str]:
    """The branches of `case $cnb_type in`: "$@" becomes the command with all its arguments."""
    apis = {buildpack.id: buildpack.api for buildpack in reversed(inputs.buildpacks)}
    for kind in dict.fromkeys(process.type for process in inputs.processes):
        yield f"{_quote(kind)})"
        word = "if"
        for process in inputs.processes:
            if process.type == kind:
                yield f"{word} {_call('eligible', *(process.exec_envs or ('*',)))}; then"
                yield from _process(process, apis)
                word = "elif"
        yield "else absent; fi ;;"


def _process(process: Process, apis: Mapping[str, ApiVersion]) -> Iterator[str]:
    args = process.args or ()
    if process.direct and not process.command:
        yield _call("fail", "82", f'launch: no command provided for process type "{process.type}"')
    if process.direct:
        yield "cnb_direct=1"
    if process.working_dir:
        yield f"cnb_dir={_quote(process.working_dir)}"
    # Platform API, "launcher": below 0.10 what the user gives is appended, in any case.
    with_user = _words(process, (*process.command, *args))
    without_user = with_user
    if len(process.command) > 1:
        # The first word is the command; the others are arguments that the user cannot replace.
        without_user = (*process.command, *args)
        replaced = [_set((*process.command,))]
    elif process.buildpack_id not in apis:
        replaced = [_call("fail", "82", _UNKNOWN.format(process.type, process.buildpack_id))]
    else:
        keep = args if apis[process.buildpack_id] < _ARGS_REPLACED else ()
        replaced = [_set(_words(process, (*process.command, *keep)))]
    yield 'if [ -z "$cnb_replace" ]; then'
    yield _set(with_user)
    yield "elif [ $# -gt 0 ]; then"
    yield from replaced
    yield f"else {_set(without_user)}; fi"
    if not process.direct and process.buildpack_id and process.buildpack_id not in apis:
        message = (
            f"launch: process type '{process.type}' provided by unknown buildpack '{process.buildpack_id}'"
        )
        yield f"[ $# -eq 1 ] || {_call('fail', '82', message)}"


_UNKNOWN = "launch: determine start command: failed to find buildpack for process {} with buildpack ID {}"


def _words(process: Process, words: tuple[str, ...]) -> tuple[str, ...]:
    """A shell process is one script, followed by its arguments."""
    if process.direct:
        return words
    count = len(process.command)
    return (" ".join(words[:count]), *words[count:])


def _set(words: tuple[str, ...]) -> str:
    return f'{_call("set --", *words)} "$@"'


def _environment(inputs: LauncherInputs) -> Iterator[str]:
    kinds = {process.type for process in inputs.processes}
    for buildpack in inputs.buildpacks:
        for layer in buildpack.layers:
            place = f"{buildpack.directory}/{layer.name}"
            for directory in LAUNCH_PATHS if layer.unread else layer.paths:
                for name in LAUNCH_PATHS[directory]:
                    yield _call("root", name, f"{place}/{directory}")
        for layer in buildpack.layers:
            if layer.unread:
                yield _call("unread_env", f"{buildpack.directory}/{layer.name}")
                continue
            for directory in ENV_DIRECTORIES:
                yield from _changes(layer, directory)
            yield from _by_type({kind: list(_changes(layer, f"env.launch/{kind}")) for kind in sorted(kinds)})


def _changes(layer: LaunchLayer, directory: str) -> Iterator[str]:
    for file in layer.environ.get(directory, ()):
        yield _call("modify", file.action, file.name, file.delimiter, file.value)


def _by_type(lines: Mapping[str, list[str]]) -> Iterator[str]:
    branches = {kind: found for kind, found in lines.items() if kind and found}
    if branches:
        yield "case $cnb_type in"
        for kind, found in branches.items():
            yield f"{_quote(kind)})"
            yield from found
            yield ";;"
        yield "esac"


def _each_file(
    inputs: LauncherInputs, function: str, choose: Callable[[LaunchLayer], tuple[str, ...]]
) -> Iterator[str]:
    """`function` for each exec.d or profile.d file: of all processes, then of the one that runs."""
    kinds = sorted({process.type for process in inputs.processes})
    for buildpack in inputs.buildpacks:
        for layer in buildpack.layers:
            place = f"{buildpack.directory}/{layer.name}"
            if layer.unread:
                yield _call(f"unread_{function}", place)
                continue
            found = [(path.split("/"), _call(function, f"{place}/{path}")) for path in choose(layer)]
            yield from (line for parts, line in found if len(parts) == 2)
            yield from _by_type(
                {
                    kind: [line for parts, line in found if len(parts) == 3 and parts[1] == kind]
                    for kind in kinds
                }
            )
