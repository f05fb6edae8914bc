"""Lock files of Poetry, PDM and Pipenv as requirements; requirements as pins."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from pybuild.libcnb.command import ToolFailed
from pybuild.libcnb.problem import Problem
from python import explain, locks, packages
from python.project import Manifest

POETRY_2 = """
[[package]]
name = "flask"
version = "3.1.0"
optional = false
groups = ["main"]
files = [{file = "flask-3.1.0-py3-none-any.whl", hash = "sha256:aa"}]

[[package]]
name = "colorama"
version = "0.4.6"
optional = false
groups = ["main", "dev"]
markers = {main = "platform_system == \\"Windows\\"", dev = "sys_platform == \\"win32\\""}
files = [{file = "c.whl", hash = "sha256:bb"}]

[[package]]
name = "pytest"
version = "8.0"
optional = false
groups = ["dev"]
files = []

[[package]]
name = "psycopg"
version = "3.2"
optional = true
groups = ["main"]
markers = "extra == \\"pg\\""
files = []

[metadata]
lock-version = "2.1"
"""

POETRY_1 = """
[[package]]
name = "Flask"
version = "2.3.0"
optional = false
files = [{file = "f.whl", hash = "sha256:f1"}]
[package.dependencies]
asgiref = {version = ">=3.2", optional = true, markers = "extra == \\"async\\""}
Werkzeug = ">=2.3"
click = ">=8"
importlib-metadata = {version = ">=3.6", markers = "python_version < \\"3.10\\""}
[package.extras]
async = ["asgiref (>=3.2)"]

[[package]]
name = "asgiref"
version = "3.7.0"
optional = false

[[package]]
name = "werkzeug"
version = "2.3.1"
optional = false

[[package]]
name = "click"
version = "8.1.0"
optional = false
[package.dependencies]
colorama = {version = "*", markers = "platform_system == \\"Windows\\""}

[[package]]
name = "colorama"
version = "0.4.6"
optional = false

[[package]]
name = "importlib-metadata"
version = "6.0"
optional = false

[[package]]
name = "pytest"
version = "7.0"
optional = false
[package.dependencies]
colorama = {version = "*", markers = "sys_platform == \\"win32\\""}

[[package]]
name = "shared"
version = "0"
optional = false
[package.source]
type = "directory"
url = "libs/shared"

[[package]]
name = "tool"
version = "1.0"
optional = false
[package.source]
type = "git"
url = "https://example.test/tool.git"
reference = "main"
resolved_reference = "0123abc"
"""


def manifest(**tables: Any) -> Manifest:
    return Manifest(exists=True, poetry=tables)


def test_a_poetry_lock_with_groups_leaves_out_developers_and_extras() -> None:
    lock = tomllib.loads(POETRY_2)

    production = locks.poetry(lock, manifest(dependencies={"flask": "^3"}), dev=False)
    test = locks.poetry(lock, manifest(dependencies={"flask": "^3"}), dev=True)

    assert production.lines == (
        "flask==3.1.0 --hash=sha256:aa",
        'colorama==0.4.6 ; platform_system == "Windows" --hash=sha256:bb',
    )
    assert "pytest==8.0" in test.lines
    both = '(platform_system == "Windows") or (sys_platform == "win32")'
    assert f"colorama==0.4.6 ; {both} --hash=sha256:bb" in test.lines


def test_an_older_poetry_lock_is_walked_from_what_the_project_asks_for() -> None:
    wishes = {
        "python": "^3.9",
        "flask": {"version": "^2", "extras": ["async"]},
        "shared": {"path": "libs/shared"},
        "tool": {"git": "https://example.test/tool.git"},
    }
    groups = {"dev": {"dependencies": {"pytest": "*"}}}

    found = locks.poetry(tomllib.loads(POETRY_1), manifest(dependencies=wishes, group=groups), dev=False)

    assert found.local == ("libs/shared",)
    assert set(found.lines) == {
        "Flask==2.3.0 --hash=sha256:f1",
        "asgiref==3.7.0",
        "werkzeug==2.3.1",
        "click==8.1.0",
        'colorama==0.4.6 ; platform_system == "Windows"',
        'importlib-metadata==6.0 ; python_version < "3.10"',
        "tool @ git+https://example.test/tool.git@0123abc",
    }


def test_an_extra_that_nobody_asks_for_is_not_installed() -> None:
    found = locks.poetry(tomllib.loads(POETRY_1), manifest(dependencies={"flask": "^2"}), dev=False)

    assert not any(line.startswith("asgiref") for line in found.lines)


def test_packages_that_need_each_other_come_to_an_end() -> None:
    lock = {
        "package": [
            {"name": "a", "version": "1", "dependencies": {"b": {"version": "*", "extras": ["x"]}}},
            {
                "name": "b",
                "version": "1",
                "dependencies": {"a": {"version": "*", "optional": True, "markers": 'extra == "x"'}},
                "extras": {"x": ["a"]},
            },
        ]
    }

    assert locks.poetry(lock, manifest(dependencies={"a": "*"}), dev=False).lines == ("a==1", "b==1")


def test_a_lock_that_lacks_what_is_asked_for_is_out_of_date() -> None:
    with pytest.raises(Problem, match=r"poetry\.lock is out of date"):
        locks.poetry(tomllib.loads(POETRY_2), manifest(dependencies={"flask": "^3", "redis": "*"}), dev=False)


def test_a_pipfile_lock_becomes_requirements_with_hashes() -> None:
    lock = {
        "_meta": {"sources": [{"url": "https://pypi.org/simple"}, {"url": "https://other.test/simple"}]},
        "default": {
            "flask": {"version": "==3.0", "hashes": ["sha256:1"], "markers": "python_version >= '3.8'"},
            "mine": {"path": ".", "editable": True},
            "tool": {"git": "https://example.test/tool.git", "ref": "abc"},
        },
        "develop": {"pytest": {"version": "==8.0", "hashes": []}},
    }

    found = locks.pipenv(lock, dev=False)

    assert found.lines == (
        "flask==3.0 ; python_version >= '3.8' --hash=sha256:1",
        "tool @ git+https://example.test/tool.git@abc",
    )
    assert (found.local, found.indexes) == ((".",), ("https://other.test/simple",))
    assert "pytest==8.0" in locks.pipenv(lock, dev=True).lines


def test_a_pdm_lock_becomes_requirements_of_the_default_group() -> None:
    lock = {
        "metadata": {"groups": ["default", "test"]},
        "package": [
            {
                "name": "flask",
                "version": "3.0",
                "groups": ["default"],
                "marker": 'python_version >= "3.8"',
                "files": [{"file": "f.whl", "hash": "sha256:1"}],
            },
            {"name": "pytest", "version": "8.0", "groups": ["test"]},
        ],
    }

    assert locks.pdm(lock, dev=False).lines == ('flask==3.0 ; python_version >= "3.8" --hash=sha256:1',)
    assert locks.pdm(lock, dev=True).lines[1] == "pytest==8.0"


def test_a_pdm_lock_that_does_not_say_what_is_for_whom_is_refused() -> None:
    with pytest.raises(Problem, match="does not say which package is for what"):
        locks.pdm({"package": [{"name": "flask", "version": "3.0"}]}, dev=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "flask==3.0 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n# via x\nclick==8.1 --hash=sha256:3\n",
            True,
        ),
        ("--index-url https://x.test\nflask==3.0 --hash=sha256:1\n", True),
        ("flask==3.0\n", False),
        ("flask>=3 --hash=sha256:1\n", False),
        ("-r base.txt\nflask==3.0 --hash=sha256:1\n", False),
        ("", False),
    ],
)
def test_requirements_with_pins_and_hashes_are_a_lock_file(text: str, expected: bool) -> None:
    assert packages.is_locked(text) is expected


def test_pins_are_read_from_requirements() -> None:
    text = 'Flask_Login==1.0 ; python_version > "3"\nredis[hiredis]==5.0 \\\n  --hash=sha256:1\ntool @ git+https://x.test/t@abc\n'

    assert packages.pins(text) == ("flask-login=1.0", "redis=5.0", "tool=git+https://x.test/t@abc")


def test_folders_of_the_app_are_told_from_packages() -> None:
    text, local = packages.split_local("-e .\nflask==3.0\n./libs/x\n-e file:///w/y\n.\n")

    assert (text, local) == ("flask==3.0\n", (".", "./libs/x", "file:///w/y", "."))


@pytest.mark.parametrize(
    ("said", "heading"),
    [
        (
            "error: No solution found\n\nhint: Packages were unavailable because the network was disabled. When …",
            "A package is not in the cache, and the package index cannot be reached",
        ),
        (
            "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.",
            "uv.lock is out of date",
        ),
        ("Error: pg_config executable not found.", "psycopg2 cannot be compiled"),
        ("Hash mismatch for `x==1`", "not the one that was locked"),
        ("No solution found when resolving dependencies", "no versions of the packages that go together"),
        ("client error (Connect): dns error: failed to lookup", "cannot be reached"),
        ("something else", "could not be installed"),
    ],
)
def test_what_uv_says_is_explained(said: str, heading: str) -> None:
    assert heading in str(explain.uv_failed(ToolFailed("uv ended with status 1", output=said)))
