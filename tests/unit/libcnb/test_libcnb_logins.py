"""Logging in to where private source is, and running compiled tests: real git, real programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild.libcnb import logins, test_runner
from pybuild.libcnb.bindings import Binding
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


def bound(kind: str, values: Mapping[str, str]) -> Binding:
    return Binding(name="b", type=kind, provider="", values=values)


def test_git_logs_in_with_a_binding_and_only_where_it_is_for(tmp_path: Path) -> None:
    binding = bound(
        "git-credentials",
        {"credentials": "username=ada\npassword=p'a$s", "context": "https://git.example.com"},
    )
    variables = logins.environ((binding,), tmp_path)

    answers = [
        subprocess.run(
            ["git", "credential", "fill"],
            input=f"protocol=https\nhost={host}\n\n",
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for host in ("git.example.com", "elsewhere.example.com")
    ]

    assert "password=p'a$s\n" in answers[0]
    assert "password" not in answers[1]
    assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.iterdir())


def test_netrc_reaches_go_and_an_incomplete_binding_is_refused(tmp_path: Path) -> None:
    variables = logins.environ((bound("netrc", {".netrc": "machine a login b password c"}),), tmp_path)

    assert Path(variables["NETRC"]).read_text() == "machine a login b password c\n"
    with pytest.raises(Problem, match="not complete"):
        logins.environ((bound("git-credentials", {"username": "x"}),), tmp_path)


def test_the_runner_of_tests_tells_which_package_failed(tmp_path: Path) -> None:
    for name, status in (("good", 0), ("bad", 3)):
        write(tmp_path, name, f"#!/bin/sh\npwd\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    tests = [(name, "/", str(tmp_path / name)) for name in ("good", "bad")]
    write(tmp_path, "run", test_runner.script(tests))

    done = subprocess.run(["bash", str(tmp_path / "run")], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "/\nok    good\n/\nFAIL  bad\n")
