"""Assets of an app in another language: Node.js builds them, and the image gets what is built and no Node.js.

A PHP, Ruby or Python app with a package.json is not a Node.js app. In its group this buildpack is optional, and takes part
only where package.json has a script that builds.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from nodejs import scripts, settings
from nodejs.manifest import FILE, Manifest
from pybuild.errors import PybuildError
from pybuild.libcnb import output
from pybuild.libcnb.plan import NotForUs, Require, passed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext, DetectContext
    from pybuild.libcnb.plan import Passed

SETTING = "BP_NODE_ASSETS"
METADATA = "assets"

# Rails builds style sheets with a script of their own, and its `assets:precompile` would build both a second time.
STYLES = "build:css"
BUILT = {"SKIP_JS_BUILD": "1", "SKIP_CSS_BUILD": "1"}

# Files that make the app one of another language, whose buildpack stands in a group before Node.js's own.
_OTHERS = (
    *("composer.json", "artisan", "index.php", "public/index.php"),
    *("Gemfile", "Gemfile.lock", "config.ru"),
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
        wanted = to_build(context.app, Manifest.read(context.app), context.environ)
    except PybuildError:
        wanted = ("build",)
    if not wanted:
        return NotForUs(
            reason=f"{other} makes this an app of another language, and {FILE} has no script that builds."
        )
    needs = Require(name="node", metadata={"found": FILE, METADATA: True})
    return passed(provides=("node",), requires=(needs,))


def to_build(app: Path, manifest: Manifest, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The scripts that build; in a Ruby app `build:css`, too, as cssbundling-rails has it. Raises a `Problem`."""
    wanted = scripts.to_build(manifest, environ)
    rails = (app / "Gemfile").is_file() and settings.run_scripts(environ) is None
    return (*wanted, STYLES) if rails and STYLES in manifest.scripts else wanted


def only(context: BuildContext) -> bool:
    """Whether this build is for assets alone."""
    return any(entry.metadata.get(METADATA) is True for entry in context.plan)


def leave(app: Path, modules: str) -> None:
    """Remove the packages, which nobody needs any more."""
    folder = app / modules
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    output.section("The assets are built; neither Node.js nor its packages are in the image")
