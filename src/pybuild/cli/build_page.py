"""`--report FILE.html`: what a build came to, as a page for people who were not there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pybuild.cli.console import human_size, human_time
from pybuild.cli.page import bars, cells, facts, page, section, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pybuild.cli.why import Decisions
    from pybuild.platform.build import BuildResult

_KINDS = {"reused": "good", "rebuilt": "new", "added": "new", "updated": "new"}


def build_page(result: BuildResult, timings: Mapping[str, float], decisions: Decisions) -> str:
    """The page. `timings`: seconds of each phase."""
    return page(result.names[0], _parts(result, timings, decisions))


def _parts(result: BuildResult, timings: Mapping[str, float], decisions: Decisions) -> Iterator[str]:
    layers = (
        f"{result.reused} of {result.reused + result.added} layers reused, {human_size(result.sent)} sent"
    )
    yield f'<p class="good">Built in {text(human_time(result.seconds))}: {text(layers)}</p>'
    yield f"<pre>{text(result.run_command)}</pre>"
    yield section("Image", facts(_image(result)))
    phases = {"preparing": result.seconds - sum(timings.values()), **timings}
    yield section("Time", bars([(name.lower(), took, human_time(took)) for name, took in phases.items()]))
    yield section(
        "Buildpacks", cells(("Buildpack", "Version"), [(each.id, each.version) for each in result.buildpacks])
    )
    yield section("Processes", cells(("Type", "Command"), _processes(result)))
    rows = list(decisions.rows())
    kinds = [_KINDS.get(row[1], "") for row in rows]
    ordered = [(done, name, size, why) for name, done, size, why in rows]
    yield section("Layers", cells(("Result", "Layer", "Size", "Why"), ordered, kinds=kinds))


def _image(result: BuildResult) -> Iterator[tuple[str, str]]:
    for name in result.names:
        yield "name", name
    yield "ID", result.image_id
    if result.digest:
        yield "digest", result.digest
    above = f", {human_size(result.size - result.base_size)} of it above the run image"
    yield "size", human_size(result.size) + (above if 0 < result.base_size <= result.size else "")
    yield "run image", result.run_image
    yield "builder", result.builder


def _processes(result: BuildResult) -> Iterator[tuple[str, str]]:
    for each in result.processes:
        mark = " (default)" if each.type == result.default_process else ""
        yield f"{each.type}{mark}", shlex.join([*each.command, *(each.args or ())])
