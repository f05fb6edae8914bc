"""Passes for a site that stands in the repository, and for one that a buildpack before this one is going to build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.plan import Passed, PlanOption, Require
from static import site
from static.settings import STATICFILE

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext

FILES = "static-files"
# At build the configuration is checked with the very nginx that will run it.
NGINX = Require(name="nginx", metadata={"build": True, "launch": True})
# An app with one of these has a server of its own, or a front end that has to be built first.
NODE = ("package.json", "server.js")


def detect(context: DetectContext) -> Passed:
    """Always passes. Whether files are there is known in the plan: somebody before provides them, or the app has them."""
    needs = (Require(name=FILES), NGINX)
    options = [PlanOption(requires=needs)]
    if has_site(context):
        options.append(PlanOption(provides=(FILES,), requires=needs))
    return Passed(options=tuple(options))


def has_site(context: DetectContext) -> bool:
    """Whether the app asks for this buildpack, or has an index.html and nothing that speaks against serving it."""
    if context.setting("BP_WEB_SERVER_ROOT") or context.setting("BP_WEB_SERVER").lower() == "nginx":
        return True
    if (context.app / STATICFILE).is_file():
        return True
    return site.guess(context.app) is not None and not any((context.app / name).exists() for name in NODE)
