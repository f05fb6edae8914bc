"""Passes for anything that looks like PHP; what is missing is told by the build, where it can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from php import docroot
from php.settings import wants_nginx
from pybuild.libcnb.plan import NotForUs, Passed, Require, passed
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import DetectContext

MARKS = ("composer.json", "artisan", "bin/console")


def detect(context: DetectContext) -> Passed | NotForUs:
    """Pass with php, and with nginx unless the app has no web files or says that it serves itself."""
    mark = find_mark(context.app)
    if not mark:
        return NotForUs(
            reason="No composer.json, and no .php file in the root of the app, public/, web/, htdocs/, www/, webroot/ or pub/."
        )
    requires = [Require(name="php", metadata={"found": mark})]
    if has_web_server(context):
        # At build the configuration is checked with the very nginx that will run it.
        requires.append(Require(name="nginx", metadata={"build": True, "launch": True}))
    return passed(provides=("php",), requires=tuple(requires))


def has_web_server(context: DetectContext) -> bool:
    """Whether the build will want nginx; settings that cannot be followed are for the build to explain."""
    try:
        return wants_nginx(context.environ) and docroot.find(context.app, context.environ) is not None
    except Problem:
        return True


def find_mark(app: Path) -> str:
    """The first file that says this is a PHP app, relative to it; empty when there is none."""
    for name in MARKS:
        if (app / name).is_file():
            return name
    for folder in ("", *docroot.CANDIDATES):
        for file in sorted((app / folder).glob("*.php")):
            return str(file.relative_to(app))
    return ""
