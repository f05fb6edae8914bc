"""Environment variables of buildpacks and of the app: who may set which one, and how values are combined.

Specification: buildpack.md, "Environment" and "Environment Variable Modification Rules"; platform.md,
"User-Provided Variables" and "Operator-Defined Variables". Values are `str` with undecodable bytes kept by
surrogateescape; nothing here reads a file or our own environment.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.spec.api import ApiVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Action = Literal["override", "default", "append", "prepend"]

BUILD_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "bin": ("PATH",),
    "lib": ("LD_LIBRARY_PATH", "LIBRARY_PATH"),
    "include": ("CPATH",),
    "pkgconfig": ("PKG_CONFIG_PATH",),
}
"""Directories of a build layer, and the variables that they are prepended to (buildpack.md, "Layer Paths")."""

LAUNCH_PATHS: Final[Mapping[str, tuple[str, ...]]] = {"bin": ("PATH",), "lib": ("LD_LIBRARY_PATH",)}
"""The same for launch layers."""

PATH_VARIABLES: Final = frozenset(name for names in BUILD_PATHS.values() for name in names)
"""The variables that hold paths: a user's value is prepended to them, never put in their place."""

FROM_CONTAINER: Final = PATH_VARIABLES | {
    "CNB_STACK_ID",
    "HOSTNAME",
    "HOME",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
}
"""All that a buildpack sees of the environment that its phase was started with."""

# Linux refuses to start a program with a longer `NAME=value` (MAX_ARG_STRLEN, its final NUL included).
VARIABLE_LIMIT = (1 << 17) - 1

_USER_NAME = re.compile(r"[^\s\x00-\x20\x7f=/]{1,255}")
_SINCE_0_8, _SINCE_0_10, _SINCE_0_12 = ApiVersion(0, 8), ApiVersion(0, 10), ApiVersion(0, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFile:
    """One file of an env directory: what is done to which variable.

    `delimiter` stands between the old value and this one ("append", "prepend") where the old one is not empty.
    """

    name: str
    action: Action
    value: str
    delimiter: str = ""


def read_env_dir(
    files: Mapping[str, bytes], *, where: str, plain: Action = "override"
) -> tuple[EnvFile, ...]:
    """The files of one env directory, in the order in which they count: that of their names' bytes.

    `files`: content by file name, subdirectories left out. `where`: the directory, for messages. `plain`: what
    a file without suffix does; "override" in a layer, "default" in `<build-config>/env`. A suffix that nobody
    knows is no error: the file has no effect. `InvalidFile` for a name or value that no program can be given.
    """
    found = []
    for file in sorted(files, key=os.fsencode):
        # A file like `NAME.` has the empty suffix, which once meant: a path, put in front.
        name, dot, suffix = file.partition(".")
        delimiter = os.fsdecode(files.get(f"{name}.delim", b":" if dot and not suffix else b""))
        match suffix:
            case "" if not dot:
                action = plain
            case "" | "prepend":
                action = "prepend"
            case "append" | "default" | "override":
                action = suffix
            case _:
                continue
        value = _usable(name, files[file], f"{where}/{file}")
        found.append(EnvFile(name=name, action=action, value=value, delimiter=delimiter))
    return tuple(found)


def read_user_variables(files: Mapping[str, bytes], *, where: str) -> dict[str, str]:
    """The variables of `<platform>/env`: one for each file, named by the whole file name, `where` for messages.

    `InvalidFile` for a name or value that no program can be given.
    """
    return {file: _usable(file, files[file], f"{where}/{file}") for file in sorted(files, key=os.fsencode)}


def check_user_variable(name: str, value: str) -> None:
    """Raise `InvalidInput` unless a user may set this: the name becomes a file in `<platform>/env`."""
    if not _USER_NAME.fullmatch(name) or name in (".", ".."):
        raise InvalidInput(
            f"{name[:80]!r} cannot be the name of an environment variable: expected at least one character, no"
            f" '=', '/', space or control character, and at most 255"
        )
    if "\0" in value:
        raise InvalidInput(f"the environment variable {name} holds a NUL byte, which no program can be given")
    if len(os.fsencode(f"{name}={value}")) > VARIABLE_LIMIT:
        raise InvalidInput(f"the environment variable {name} is longer than {VARIABLE_LIMIT} bytes")


def apply(environ: Mapping[str, str], files: Iterable[EnvFile]) -> dict[str, str]:
    """`environ` after `files`, one after the other. A variable that is set but empty counts as not set."""
    result = dict(environ)
    for file in files:
        old = result.get(file.name, "")
        delimiter = file.delimiter if old else ""
        match file.action:
            case "override":
                result[file.name] = file.value
            case "default":
                result[file.name] = old or file.value
            case "append":
                result[file.name] = old + delimiter + file.value
            case "prepend":
                result[file.name] = file.value + delimiter + old
    return result


def with_layer_paths(
    environ: Mapping[str, str],
    layer: str,
    present: Collection[str],
    paths: Mapping[str, tuple[str, ...]] = BUILD_PATHS,
) -> dict[str, str]:
    """`environ` with those directories of `layer` (an absolute path) in front that are `present` (their names)."""
    result = dict(environ)
    for directory, names in paths.items():
        if directory in present:
            for name in names:
                result[name] = _in_front(f"{layer}/{directory}", result.get(name, ""))
    return result


def with_user_variables(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the user's values: put in front of variables that hold paths, in place of all others."""
    result = dict(environ)
    for name, value in variables.items():
        result[name] = _in_front(value, result.get(name, "")) if name in PATH_VARIABLES else value
    return result


def from_container(environ: Mapping[str, str]) -> dict[str, str]:
    """Of the environment a phase was started with, what buildpacks may see."""
    return {name: value for name, value in environ.items() if name in FROM_CONTAINER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What platform and operator give to every buildpack of a phase, in detect and build alike.

    `user`: variables of `<platform>/env`. `operator`: files of `<build-config>/env`, read with plain="default".
    `target`: the `CNB_TARGET_*` variables. `exec_env`: "" where the Platform API knows none. `trust`: variables
    by which tools find the platform's CA certificates; the weakest of all, so that a layer or user may set them.
    """

    platform_dir: str
    user: Mapping[str, str]
    operator: tuple[EnvFile, ...] = ()
    target: Mapping[str, str]
    exec_env: str = ""
    trust: Mapping[str, str] = field(default_factory=dict)


def detect_environ(
    base: Mapping[str, str],
    given: Given,
    *,
    api: ApiVersion,
    clear_env: bool,
    module_dir: str,
    plan_path: str,
    extension: bool = False,
) -> dict[str, str]:
    """All that one `bin/detect` sees. `base`: the result of `from_container`.

    `InvalidInput` when a variable is too long to start a program with. buildpack.md, "Detection".
    """
    own = {"CNB_EXTENSION_DIR" if extension else "CNB_BUILDPACK_DIR": module_dir}
    if api >= _SINCE_0_8:
        own |= {"CNB_PLATFORM_DIR": given.platform_dir, "CNB_BUILD_PLAN_PATH": plan_path}
    return _complete(base, given, own, api=api, clear_env=clear_env)


def detect_arguments(given: Given, *, plan_path: str) -> tuple[str, str]:
    """What follows `bin/detect` on its command line, in every Buildpack API."""
    return (given.platform_dir, plan_path)


def generate_environ(
    base: Mapping[str, str],
    given: Given,
    *,
    api: ApiVersion,
    clear_env: bool,
    module_dir: str,
    output_dir: str,
    plan_path: str,
) -> dict[str, str]:
    """All that one `bin/generate` sees. `base`: the result of `from_container`.

    `InvalidInput` when a variable is too long to start a program with. image_extension.md, "Generation".
    """
    own = {
        "CNB_BP_PLAN_PATH": plan_path,
        "CNB_EXTENSION_DIR": module_dir,
        "CNB_OUTPUT_DIR": output_dir,
        "CNB_PLATFORM_DIR": given.platform_dir,
    }
    # The execution environment is for buildpacks: no extension was ever given it here.
    return _complete(base, replace(given, exec_env=""), own, api=api, clear_env=clear_env)


def build_environ(
    base: Mapping[str, str],
    given: Given,
    *,
    api: ApiVersion,
    clear_env: bool,
    module_dir: str,
    layers_dir: str,
    plan_path: str,
) -> dict[str, str]:
    """All that one `bin/build` sees. `base`: the result of `from_container` and of earlier build layers.

    `layers_dir`: this buildpack's own. `InvalidInput` when a variable is too long to start a program with.
    buildpack.md, "Build".
    """
    own = {"CNB_BUILDPACK_DIR": module_dir}
    if api >= _SINCE_0_8:
        own |= {
            "CNB_PLATFORM_DIR": given.platform_dir,
            "CNB_BP_PLAN_PATH": plan_path,
            "CNB_LAYERS_DIR": layers_dir,
        }
    return _complete(base, given, own, api=api, clear_env=clear_env)


def build_arguments(given: Given, *, layers_dir: str, plan_path: str) -> tuple[str, str, str]:
    """What follows `bin/build` on its command line, in every Buildpack API."""
    return (layers_dir, given.platform_dir, plan_path)


def _complete(
    base: Mapping[str, str], given: Given, own: Mapping[str, str], *, api: ApiVersion, clear_env: bool
) -> dict[str, str]:
    # platform.md, "Operator-Defined Variables": they count whether or not the buildpack clears its environment,
    # and after everything else; only the lifecycle's own variables cannot be changed by anyone.
    base = {**given.trust, **base}
    environ = base if clear_env else with_user_variables(base, given.user)
    environ = {**apply(environ, given.operator), **own}
    if api >= _SINCE_0_10:
        environ.update(given.target)
    if api >= _SINCE_0_12 and given.exec_env:
        environ["CNB_EXEC_ENV"] = given.exec_env
    for name, value in environ.items():
        if len(os.fsencode(name)) + 1 + len(os.fsencode(value)) > VARIABLE_LIMIT:
            raise InvalidInput(
                f"the environment variable {name} is longer than {VARIABLE_LIMIT} bytes: Linux would start"
                f" no program with it"
            )
    return environ


def _in_front(value: str, old: str) -> str:
    return f"{value}:{old}" if old else value


def _usable(name: str, value: bytes, file: str) -> str:
    if "=" in name or "\0" in name:
        raise InvalidFile(f"{file}: the file's name cannot be that of an environment variable: {name!r}")
    if b"\0" in value:
        raise InvalidFile(f"{file}: the value holds a NUL byte, which no program can be given")
    return os.fsdecode(value)
