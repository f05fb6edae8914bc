"""`pack`'s words for what we tell: lines that scripts look for, each beside ours.

Only texts change. What happened is the same, and what `pack` says but did not happen here is not said.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pybuild.cli.show.console import Console
from pybuild.events import Detail, LayerDecided, PhaseFinished, PhaseStarted, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pybuild import events
    from pybuild.cli.pack.arguments import PackCall

LINES: tuple[tuple[str, str], ...] = (
    (r"Pulling (\S+) for (\S+)", r"Pulling image '\1' with platform '\2'"),
    (r"Pulling (\S+)", r"Pulling image '\1'"),
    (r"Successfully published image '(.*)'", r"Successfully built image '\1'"),
    (r"'(\S+)' stands on the newest .* already: nothing to do", r"Successfully rebased image '\1'"),
    (r"Pushed the index (\S+)@sha256:\w+", r"Successfully pushed manifest list '\1' to registry"),
    (r"Using mirror '(\S+)' for '(\S+)'", r"Using mirror '\1' for \2"),
    (
        r"Adding (\w+) '(\S+)' version '(\S+)' to builder's container",
        r"Adding \1 '\2' version '\3' to builder",
    ),
)
"""A line of ours, and `pack`'s for it; as regular expressions, of whole lines."""

ERRORS: tuple[tuple[str, str], ...] = (
    (
        r"the Docker Engine has no (?:builder )?image (\S+?)(?::latest)?(?:$|, and the pull policy is never)",
        r"image '\1' does not exist on the daemon: not found",
    ),
)
"""The beginning of an error of ours, and `pack`'s for it."""

_COMPILED = tuple((re.compile(ours), theirs) for ours, theirs in LINES)
_COMPILED_ERRORS = tuple((re.compile(ours), theirs) for ours, theirs in ERRORS)

_COLOURS = re.compile(rb"\x1b\[[0-9;]*m")
_EXTENDED = re.compile(r"Extending the (build|run) image ")
# What we tell those who ask for details, and pack tells everybody.
_FOR_ALL = ("Restoring metadata for ",)

_PHASES = {
    "ANALYZING": "analyzer",
    "DETECTING": "detector",
    "GENERATING": "detector",
    "RESTORING": "restorer",
    "BUILDING": "builder",
    "EXTENDING": "extender (build)",
    "EXPORTING": "exporter",
}
"""What stands before each line of a phase where `pack` runs it in a container of its own."""


def line_in_packs_words(text: str) -> str:
    """The line as `pack` would write it."""
    for ours, theirs in _COMPILED:
        if ours.fullmatch(text):
            return ours.sub(theirs, text)
    return text


def error_in_packs_words(text: str) -> str:
    """The error's sentence as `pack` would write it."""
    for ours, theirs in _COMPILED_ERRORS:
        if ours.match(text):
            return ours.sub(theirs, text, count=1)
    return text


@dataclass(slots=True, kw_only=True)
class PackConsole(Console):
    """A console that speaks as `pack` does. `names`: from image names as we write them to how the user did.

    `by_phase`: begin the lines of a phase with its program, as `pack` does for builders that are not trusted.
    `plain`: take the colours out of what buildpacks write.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    by_phase: bool = False
    plain: bool = False
    _phase: str = ""

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        match event:
            case PhaseStarted(phase=phase):
                Console.__call__(self, event)
                self._phase = _PHASES.get(phase, "")
            case PhaseFinished(phase=phase, seconds=seconds):
                self.flush()
                self.timings[phase] = self.timings.get(phase, 0.0) + seconds
                self._phase = ""
            case LayerDecided(action="cached"):
                verb = "Adding" if event.rebuilt else "Reusing"
                self.line(f"{verb} cache layer '{event.owner}:{event.layer}'")
            case Detail(text=text) if text.startswith(_FOR_ALL):
                self.line(text)
            case Progress():
                pass  # pack shows the engine's own, which no script reads
            case _:
                Console.__call__(self, event)

    def line(self, text: str, *, style: str = "", level: int = 0) -> None:
        """One line, in `pack`'s words."""
        if self._phase.startswith("extender") and (found := _EXTENDED.match(text)):
            self._phase = f"extender ({found[1]})"
        shown = "\n".join(map(line_in_packs_words, text.split("\n")))
        for ours, theirs in self.names.items():
            shown = shown.replace(f"'{ours}'", f"'{theirs}'")
        prefix = self._prefix()
        Console.line(self, prefix + shown.replace("\n", f"\n{prefix}"), style=style, level=level)

    def emit_output(self, data: bytes) -> None:
        """Write what a buildpack wrote, each line after its phase."""
        if self.plain:
            data = _COLOURS.sub(b"", data)
        prefix = self._prefix().encode()
        if prefix:
            # What is written comes in whole lines but for the last one of a phase.
            body = data.removesuffix(b"\n")
            data = prefix + body.replace(b"\n", b"\n" + prefix) + data[len(body) :]
        Console.emit_output(self, data)

    def _prefix(self) -> str:
        return f"[{self._phase}] " if self.by_phase and self._phase else ""


def console_maker(call: PackCall, names: dict[str, str]) -> Callable[..., Console]:
    """What makes the console of a command: `pack` writes all but errors to standard output."""
    terminal = sys.stdout.isatty()

    def make(**words: Any) -> Console:
        # As no-color.org asks; pack itself does not look at the variable.
        wanted = call.force_color or (terminal and not os.environ.get("NO_COLOR"))
        words |= {
            "stream": sys.stdout.buffer,
            "terminal": terminal,
            "colour": wanted and not call.no_color,
            "timestamps": call.timestamps,
        }
        return PackConsole(**words, names=names, plain=call.no_color)

    return make
