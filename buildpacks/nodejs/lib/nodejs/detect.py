"""Passes for an app with a package.json or a usual file of JavaScript; a front end offers its files to be served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodejs import assets, frontend, scripts, settings
from nodejs.manifest import FILE, Manifest
from pybuild.errors import PybuildError
from pybuild.libcnb.plan import NotForUs, Passed, PlanOption, Require
from pybuild.libcnb.start import procfile_types

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext

FILES = "static-files"


def detect(context: DetectContext) -> Passed | NotForUs:
    """Pass with node, and for a front end first of all with the files that it will have built."""
    if other := assets.other_language(context):
        return assets.detect(context, other)
    mark = next((name for name in (FILE, *scripts.MAIN_FILES) if (context.app / name).is_file()), "")
    if not mark:
        return NotForUs(
            reason="No package.json, and no server.js, app.js, main.js or index.js in the root of the app."
        )
    needs = (Require(name="node", metadata={"found": mark}),)
    plain = PlanOption(provides=("node",), requires=needs)
    if is_front_end(context):
        return Passed(options=(PlanOption(provides=("node", FILES), requires=needs), plain))
    return Passed(options=(plain,))


def is_front_end(context: DetectContext) -> bool:
    """Whether files are all that the image needs; what cannot be read is for the build to explain."""
    if context.exec_env != "production" or not settings.wants_front_end(context.environ):
        return False
    if "web" in procfile_types(context.app):
        return False
    try:
        return frontend.find(context.app, Manifest.read(context.app)) is not None
    except PybuildError:
        return False
