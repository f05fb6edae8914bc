"""Build-time variables of the user: project.toml, then env files, then the command line, the later the stronger.

Specification: platform.md, "User-Provided Variables"; project descriptor, "io.buildpacks.build.env".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.events import hide_login, warn
from pybuild.spec.environ import check_user_variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pybuild.buildenv.api import BuildEnv

MAX_FILE = 1 << 20
LOCKED = "BP_LOCKED"
"""Tells buildpacks to take the versions of the build before; those written with libcnb do."""
OFFLINE = "BP_OFFLINE"
"""Tells buildpacks that what was known in the build before will do; set where there is no network, unless the user sets it."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_OF_SHELLS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")


def user_environ(
    *, project: Mapping[str, str], files: Sequence[Path], words: Iterable[str], caller: Mapping[str, str]
) -> dict[str, str]:
    """All that the user sets for the build, in the order in which it was first named.

    `words`: `NAME=value`, or `NAME` to take the value from `caller`, the variables pybuild itself was started
    with; one that is not set there becomes empty, with a warning. Raises `InvalidInput` for a name that is no
    name or that belongs to the platform (`CNB_…`), and `InvalidFile` for a line that cannot be read.
    """
    environ = dict(project)
    for file in files:
        environ |= read_env_file(file, caller)
    for word in words:
        name, equals, value = word.partition("=")
        environ[name] = value if equals else _inherited(name, caller)
    for name, value in environ.items():
        _check(name, value)
        if not _OF_SHELLS.fullmatch(name):
            warn(
                f"the value of {name} stands in the machine's list of processes when a program of the build starts",
                hint="no shell can pass on a variable of this name: choose one of letters, digits and _",
            )
    return environ


def with_options(environ: Mapping[str, str], *, locked: bool, network: str) -> dict[str, str]:
    """The user's variables and what options say by others. Who sets `BP_OFFLINE` has the last word on it."""
    said = {**environ, **({LOCKED: "true"} if locked else {})}
    return {OFFLINE: "true", **said} if network == "none" else said


def read_env_file(file: Path, caller: Mapping[str, str]) -> dict[str, str]:
    """One file of `NAME=value` lines: blank lines and those that begin with `#` are skipped, `export` may precede.

    A value in single quotes is taken as it stands, one in double quotes knows \\n \\t \\r \\" \\\\ \\$; any other
    runs to the end of the line. A line with a name alone takes the caller's value.
    """
    try:
        data = file.read_bytes() if file.stat().st_size <= MAX_FILE else None
    except OSError as exc:
        raise InvalidFile(
            f"{file}: cannot be read: {exc.strerror}", hint="--env-file names a file of NAME=value lines"
        ) from exc
    if data is None:
        raise InvalidFile(f"{file}: larger than {MAX_FILE} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InvalidFile(f"{file}: not UTF-8 at byte {exc.start}") from exc
    environ: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        where = f"{file}, line {number}"
        name, equals, value = re.sub(r"^export\s+", "", stripped).partition("=")
        name = name.rstrip()
        environ[name] = _value(value.strip(), where) if equals else _inherited(name, caller)
        _check(name, environ[name], where=where)
    return environ


def proxy_environ(caller: Mapping[str, str]) -> dict[str, str]:
    """The caller's proxy variables in both spellings, since tools disagree; capitals win where both are set.

    Builds see a password that is in one, and nobody else does: it is hidden from all output.
    """
    environ: dict[str, str] = {}
    for name in _PROXIES:
        value = caller.get(name) or caller.get(name.lower())
        if value:
            hide_login(value)
            environ |= {name: value, name.lower(): value}
    return environ


def home_environ(env: BuildEnv) -> dict[str, str]:
    """HOME, which no image names: the engine sets it for the user of a container, and git, Go and others want one."""
    home = env.script('printf %s "${HOME-}"').decode(errors="surrogateescape")
    return {"HOME": home} if home else {}


def _value(text: str, where: str) -> str:
    if text.startswith('"'):
        found = _DOUBLE.fullmatch(text)
        if found is None:
            raise InvalidFile(
                f'{where}: expected a value that ends with "', hint='write \\" for a quote inside it'
            )
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), found[1])
    if text.startswith("'"):
        found = _SINGLE.fullmatch(text)
        if found is None:
            raise InvalidFile(f"{where}: expected a value that ends with '")
        return found[1]
    return text


def _inherited(name: str, caller: Mapping[str, str]) -> str:
    if name not in caller:
        warn(
            f"the variable {name} is not set here, so it is empty in the build",
            hint=f"pass --env {name}=value",
        )
    return caller.get(name, "")


def _check(name: str, value: str, *, where: str = "") -> None:
    try:
        check_user_variable(name, value)
        if name.upper().startswith("CNB_"):
            raise InvalidInput(
                f"the variable {name} belongs to the platform: names that begin with CNB_ cannot be set for a build",
                hint=f"remove {name} from project.toml, the env file or the command line",
            )
    except InvalidInput as exc:
        if not where:
            raise
        raise InvalidFile(f"{where}: {exc}", hint=exc.hint) from exc
