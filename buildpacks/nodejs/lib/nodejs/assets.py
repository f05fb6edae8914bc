"""Assets of an app in another language: Node.js builds them, and the image gets what is built and no Node.js.

A PHP or Python app with a package.json is not a Node.js app. In its group this buildpack is optional, and takes part only
where package.json has a script that builds.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from nodejs import scripts
from nodejs.manifest import FILE, Manifest
from pybuild.errors import PybuildError
from pybuild.libcnb import output
from pybuild.libcnb.plan import NotForUs, Require, passed

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext, DetectContext
    from pybuild.libcnb.plan import Passed

SETTING = "BP_NODE_ASSETS"
METADATA = "assets"

# Files that make the app one of another language, whose buildpack stands in a group before Node.js's own.
_OTHERS = (
    *("composer.json", "artisan", "index.php", "public/index.php"),
    *("manage.py", "requirements.txt", "pyproject.toml", "Pipfile", "uv.lock", "setup.py"),
)


def other_language(context: DetectContext) -> str:
    """The file that says so; empty for an app of Node.js, or where `BP_NODE_ASSETS` is switched off."""
    if context.setting(SETTING) and not context.flag(SETTING):
        return ""
    return next((name for name in _OTHERS if (context.app / name).is_file()), "")


def detect(context: DetectContext, other: str) -> Passed | NotForUs:
    """Pass where there is a script to run. What cannot be read is for the build to explain."""
    if not (context.app / FILE).is_file():
        return NotForUs(reason=f"{other} makes this an app of another language, and there is no {FILE}.")
    try:
        wanted = scripts.to_build(Manifest.read(context.app), context.environ)
    except PybuildError:
        wanted = ("build",)
    if not wanted:
        return NotForUs(
            reason=f"{other} makes this an app of another language, and {FILE} has no script that builds."
        )
    needs = Require(name="node", metadata={"found": FILE, METADATA: True})
    return passed(provides=("node",), requires=(needs,))


def only(context: BuildContext) -> bool:
    """Whether this build is for assets alone."""
    return any(entry.metadata.get(METADATA) is True for entry in context.plan)


def leave(app: Path, modules: str) -> None:
    """Remove the packages, which nobody needs any more."""
    folder = app / modules
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    output.section("The assets are built; neither Node.js nor its packages are in the image")
