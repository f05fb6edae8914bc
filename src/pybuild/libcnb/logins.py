"""Logging in to where private source is: bindings of type `git-credentials` and `netrc`, used while the build runs only."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from pybuild.libcnb.bindings import of_type
from pybuild.libcnb.problem import Paste, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pybuild.libcnb.bindings import Binding


def environ(bindings: Iterable[Binding], scratch: Path) -> dict[str, str]:
    """Variables that make git, curl and Go log in; the secrets lie in files below `scratch`. Raises a `Problem`.

    `git-credentials` has a file `credentials` in git's format (`username=…`, `password=…`), and perhaps `context`,
    the address it is for. `netrc` has a file `.netrc`.
    """
    bindings = tuple(bindings)
    found = {"GIT_TERMINAL_PROMPT": "0"}
    helpers = []
    for number, binding in enumerate(of_type(bindings, "git-credentials")):
        file = _secret(scratch / f"git-{number}", binding, "credentials")
        context = binding.values.get("context", "").strip()
        name = f"credential.{context}.helper" if context else "credential.helper"
        helpers.append((name, f'!f() {{ test "$1" = get && cat {shlex.quote(str(file))}; }}; f'))
    if helpers:
        found["GIT_CONFIG_COUNT"] = str(len(helpers))
    for number, (name, value) in enumerate(helpers):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    for binding in of_type(bindings, "netrc")[:1]:
        found["NETRC"] = str(_secret(scratch / "netrc", binding, ".netrc"))
    return found


def _secret(file: Path, binding: Binding, key: str) -> Path:
    text = binding.values.get(key, "")
    if not text.strip():
        raise _incomplete(binding.name, key)
    with open(
        os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", errors="surrogateescape"
    ) as stream:
        stream.write(text.rstrip("\n") + "\n")
    return file


def _incomplete(binding: str, key: str) -> Problem:
    example = (
        "username=someone\npassword=token"
        if key == "credentials"
        else "machine example.com login someone password token"
    )
    return Problem(
        "The binding with Git's credentials is not complete",
        f"The binding {binding!r} has no file {key}.",
        paste=Paste(file=f"{key} in the binding", text=example, action="For example, write this to"),
    )
