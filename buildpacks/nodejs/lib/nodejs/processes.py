"""The process types: the app, and its tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nodejs import scripts
from pybuild.libcnb import output, start
from pybuild.libcnb.launch import Process

if TYPE_CHECKING:
    from nodejs.layers.tool import PackageTool
    from nodejs.manifest import Manifest
    from nodejs.scripts import Start
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

# What `npm init` writes where there are no tests.
_NO_TESTS = re.compile(r"no test specified")


def processes(
    context: BuildContext, layer: Layer, manifest: Manifest, first: Start | None, pm: PackageTool
) -> tuple[Process, ...]:
    """All process types, whatever a Procfile says. `first`: how the app is started."""
    found = []
    if first:
        output.section(f"Started as {first.line} (found: {first.found})")
        found.append(Process(type="web", command=command(layer, first), default=True))
    if context.exec_env == "test":
        test = scripts.script(manifest, pm.name, "test")
        if test and not _NO_TESTS.search(test.line):
            found.append(
                Process(type="test", command=command(layer, test), default=not found, exec_envs=("test",))
            )
    return tuple(found)


def command(layer: Layer, found: Start) -> tuple[str, ...]:
    """The words to start: below an init, because Node.js as process 1 ends for no signal that it does not handle."""
    if found.kind == "file":
        return start.supervised(layer, "node", found.line)
    if found.needs_tool:
        return start.supervised(layer, "bash", "-c", found.line, group=True)
    return start.shell(layer, found.line)
