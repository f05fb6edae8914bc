"""Passes for anything that looks like Python; what is missing or misspelt is told by the build, where it can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.errors import PybuildError
from pybuild.libcnb.plan import NotForUs, Passed, Require, passed
from python import project

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import DetectContext

# Nobody has these for another reason than Python.
SURE = (
    "requirements.txt",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "Pipfile",
    "manage.py",
    "setup.py",
    "setup.cfg",
    "requirements.in",
)

# These may belong to a tool of another language's project, so they count only where no other language is at home.
LIKELY = (
    "pyproject.toml",
    ".python-version",
    "runtime.txt",
    "environment.yml",
    "requirements",
    "requirement.txt",
    "requirments.txt",
    "requirements.text",
    "Requirements.txt",
    "pipfile",
    "app.py",
    "main.py",
    "wsgi.py",
    "asgi.py",
    "server.py",
    "application.py",
    "index.py",
    "run.py",
    "start.py",
    "hello.py",
    "bot.py",
    "streamlit_app.py",
    "__main__.py",
    "__init__.py",
)
OTHERS = ("package.json", "go.mod", "Cargo.toml", "Gemfile", "composer.json", "pom.xml", "build.gradle")


def detect(context: DetectContext) -> Passed | NotForUs:
    """Pass with python, which this buildpack provides."""
    mark = find_mark(context.app)
    if not mark:
        return NotForUs(
            reason="No requirements.txt, pyproject.toml, lock file of a Python tool, or known .py file in the root of the app."
        )
    return passed(provides=("python",), requires=(Require(name="python", metadata={"found": mark}),))


def find_mark(app: Path) -> str:
    """The first file that says this is a Python app, relative to it; empty when there is none."""
    if mark := next((name for name in SURE if (app / name).exists()), ""):
        return mark
    if _is_project(app):
        return project.MANIFEST
    if any((app / name).is_file() for name in OTHERS):
        return ""
    return next((name for name in LIKELY if (app / name).exists()), "")


def _is_project(app: Path) -> bool:
    """Whether pyproject.toml is more than the settings of a formatter."""
    try:
        return project.read_manifest(app).is_project
    except PybuildError:
        return False
