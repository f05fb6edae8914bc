"""`--report FILE.html`: what a build came to, as a page for people who were not there."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild.cli.show.console import human_size, human_time
from pybuild.cli.show.page import bars, cells, facts, page, section, text
from pybuild.errors import PybuildError
from pybuild.events import BuildpackFinished

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pybuild.cli.show.why import Decisions
    from pybuild.events import Event
    from pybuild.platform.build import BuildResult
    from pybuild.platform.images.sbom import SbomPackage

_KINDS = {"reused": "good", "rebuilt": "new", "added": "new", "updated": "new"}


@dataclass(slots=True)
class Times:
    """Hears how long each buildpack took, in seconds."""

    buildpacks: dict[str, float] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        if isinstance(event, BuildpackFinished):
            self.buildpacks[event.buildpack] = event.seconds


def build_page(result: BuildResult, timings: Mapping[str, float], times: Times, decisions: Decisions) -> str:
    """The page. `timings`: seconds of each phase."""
    return page(result.names[0], _parts(result, timings, times, decisions))


def _parts(
    result: BuildResult, timings: Mapping[str, float], times: Times, decisions: Decisions
) -> Iterator[str]:
    layers = (
        f"{result.reused} of {result.reused + result.added} layers reused, {human_size(result.sent)} sent"
    )
    yield f'<p class="good">Built in {text(human_time(result.seconds))}: {text(layers)}</p>'
    yield f"<pre>{text(result.run_command)}</pre>"
    yield section("Image", facts(_image(result)))
    yield section(
        "Time", bars([(name, took, human_time(took)) for name, took in _times(result, timings, times)])
    )
    yield section(
        "Buildpacks", cells(("Buildpack", "Version"), [(each.id, each.version) for each in result.buildpacks])
    )
    yield section("Processes", cells(("Type", "Command"), _processes(result)))
    rows = list(decisions.rows())
    kinds = [_KINDS.get(row[1], "") for row in rows]
    ordered = [(done, name, size, why) for name, done, size, why in rows]
    yield section("Layers", cells(("Result", "Layer", "Size", "Why"), ordered, kinds=kinds))
    yield section("Bill of materials", cells(("Layer", "Packages", "Kinds"), _materials(_packages(result))))


def _times(result: BuildResult, timings: Mapping[str, float], times: Times) -> Iterator[tuple[str, float]]:
    """Each phase, and below the one that builds each buildpack."""
    yield "preparing", result.seconds - sum(timings.values())
    for phase, took in timings.items():
        yield phase.lower(), took
        if phase == "BUILDING":
            yield from ((f"– {buildpack}", seconds) for buildpack, seconds in times.buildpacks.items())


def _packages(result: BuildResult) -> Sequence[SbomPackage]:
    """What the image's bills of materials list; nothing for an image that has none, or is in no engine."""
    from pybuild.platform.images.sbom import Selection, image_sbom, packages

    try:
        return packages(image_sbom(result.image_id, environ=os.environ), Selection())
    except PybuildError:
        return ()


def _materials(found: Sequence[SbomPackage]) -> Iterator[tuple[str, str, str]]:
    """For each layer how many packages it has, and how many of each kind."""
    for owner in sorted({each.owner for each in found}):
        kinds = Counter(each.type or "other" for each in found if each.owner == owner)
        yield owner, str(kinds.total()), ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


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
