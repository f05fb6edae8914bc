"""Shows events to a person: headings, lines, buildpack output, one live line for long steps.

Everything goes to standard error; standard output is for data. Meaning never rests on colour. On a terminal,
control characters of buildpacks are taken out but for colours, tabs and line ends, so that no output can move
the cursor, set the title or hide text; elsewhere the bytes pass as they came.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from pybuild import events
from pybuild.events import (
    BuildpackFinished,
    Detail,
    Failed,
    ImageWritten,
    Info,
    LayerDecided,
    Output,
    PhaseFinished,
    PhaseStarted,
    Progress,
    Warned,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# Escape sequences (CSI, OSC, DCS and two-byte ones) and C0/C1 controls. Colour (CSI … m) is kept by `_keep_colour`.
_CONTROLS = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]|\x1b"
)
_REFRESH = 0.1  # seconds between two drawings of the live line
_REMINDER = 15.0  # seconds between two progress lines where there is no terminal
_LONGEST_HELD = 1 << 14  # bytes of an unfinished line that are kept back for redaction and time stamps
_LAST_WORDS = 8 << 10  # bytes of quiet output that are shown after all when the build fails


def human_size(size: int) -> str:
    """`size` in bytes as people write it: `412 B`, `3.4 MB`, `1.2 GB` (powers of 1000)."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 999.95 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{size} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def human_time(seconds: float) -> str:
    """`seconds` as people write it: `0.3 s`, `42 s`, `2 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def printable(text: str) -> str:
    """`text` with control characters written as escapes: names from outside never move the cursor."""
    return "".join(
        char
        if char.isprintable() or char in "\t\n"
        else char.encode("utf-8", "backslashreplace").decode("ascii", "ignore")
        if "\udc80" <= char <= "\udcff"
        else f"\\x{ord(char):02x}"
        for char in text
    )


@dataclass(slots=True, kw_only=True)
class Console:
    """A listener for `events.listening`. `verbosity`: -1 warnings and errors only, 0 normal, 1 everything.

    `brief`: of the phases themselves, only warnings and progress. `width`: columns of the terminal.
    """

    stream: IO[bytes]
    verbosity: int = 0
    colour: bool = False
    terminal: bool = False
    timestamps: bool = False
    brief: bool = False
    width: int = 80
    clock: Callable[[], float] = time.monotonic
    timings: dict[str, float] = field(default_factory=dict)
    _in_phase: bool = False
    _live: bool = False
    _shown_at: float = 0.0
    _held: bytes = b""
    _line_open: bool = False
    _unshown: bytes = b""

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        if isinstance(event, PhaseStarted):
            self._in_phase = True
        if self.brief and self._in_phase and isinstance(event, PhaseStarted | Info | Output):
            return
        match event:
            case Output(data=data):
                self._output(data)
            case Progress():
                self._progress(event)
            case PhaseStarted(phase=phase):
                self.line(f"===> {phase}", style="36")
            case PhaseFinished(phase=phase, seconds=seconds):
                self.timings[phase] = self.timings.get(phase, 0.0) + seconds
                self.line(f"{phase} took {human_time(seconds)}", style="2", level=1)
            case Info(text=text) | Detail(text=text):
                detailed = isinstance(event, Detail)
                self.line(text, style="2" if detailed else "", level=int(detailed))
            case Warned():
                self._warning(event)
            case LayerDecided():
                self._layer(event)
            case ImageWritten():
                self._image(event)
            case BuildpackFinished() | Failed():
                pass  # a page tells of the one, `cli.main` of the other, last of all

    def line(self, text: str, *, style: str = "", level: int = 0) -> None:
        """One line of our own, redacted and made printable; dropped when `level` is above the verbosity."""
        if level > self.verbosity:
            return
        self.flush()
        shown = printable(events.redact(text))
        if style and self.colour:
            shown = f"\x1b[{style}m{shown}\x1b[0m"
        stamp = self._stamp()
        self._write(
            "".join(f"{stamp}{part}\n" for part in shown.split("\n")).encode("utf-8", "backslashreplace")
        )

    def tell_failure(self) -> None:
        """Show the last of what buildpacks wrote, if it was kept quiet: the reason is mostly there."""
        if self._unshown:
            self.verbosity = 0
            self._output(self._unshown)
            self._unshown = b""

    def flush(self) -> None:
        """End what is open: the live line, and an output line that had no newline yet."""
        if self._live:
            self._write(b"\r\x1b[K")
            self._live = False
        if self._held:
            self.emit_output(self._held)
            self._held = b""
        if self._line_open:
            self._write(b"\n")
            self._line_open = False

    def _warning(self, event: Warned) -> None:
        self.line(f"Warning: {event.text}", style="33", level=-1)
        if event.hint:
            self.line(f"  hint: {event.hint}", level=-1)

    def _image(self, event: ImageWritten) -> None:
        state = "" if event.changed else ", unchanged"
        self.line(f"*** Images ({event.image_id.removeprefix('sha256:')[:12]}{state}):")
        for name in event.names:
            self.line(f"      {name}")

    def _layer(self, event: LayerDecided) -> None:
        name = f"{event.owner}:{event.layer}" if event.layer else event.owner
        size = f" ({human_size(event.size)})" if event.size and self.verbosity > 0 else ""
        why = (
            f": {event.reason}" if event.reason and (self.verbosity > 0 or event.action == "dropped") else ""
        )
        match event.action:
            case "added":
                self.line(f"Adding layer '{name}'{size}{why}")
            case "reused":
                self.line(f"Reusing layer '{name}'{size}{why}")
            case "restored":
                self.line(f'Restoring data for "{name}" from cache{why}')
            case "cached":
                self.line(f"Caching layer '{name}'{why}", level=1)
            case "dropped":
                self.line(f'Not restoring "{name}" from cache{why}')

    def _progress(self, event: Progress) -> None:
        now = self.clock()
        if event.done < 0:
            if self._live:
                self._write(b"\r\x1b[K")
                self._live = False
            self._shown_at = 0.0
            return
        wait = _REFRESH if self.terminal else _REMINDER
        if self.verbosity < 0 or (self._shown_at and now - self._shown_at < wait):
            return
        if not self.terminal and not self._shown_at:
            self._shown_at = now  # the first reminder comes only when the step turns out to be long
            return
        self._shown_at = now
        text = f"{event.label}  {_amount(event)}"
        if self.terminal:
            if self._line_open or self._held:
                self.flush()
            self._write(b"\r\x1b[K" + printable(text)[: self.width - 2].encode())
            self._live = True
        else:
            self.line(text)

    def _output(self, data: bytes) -> None:
        if self.verbosity < 0:
            self._unshown = (self._unshown + data)[-_LAST_WORDS:]
            return
        if self._live:
            self._write(b"\r\x1b[K")
            self._live = False
        data = self._held + data
        cut = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not cut and len(data) > _LONGEST_HELD:
            cut = len(data)
        self._held = data[cut:]
        if cut:
            self.emit_output(data[:cut])

    def emit_output(self, data: bytes) -> None:
        """Write what a buildpack wrote, redacted, without control characters on a terminal."""
        text = data
        if events.hides():
            text = events.redact(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if self.terminal:
            text = _CONTROLS.sub(_keep_colour if self.colour else b"", text)
        if self.timestamps:
            stamp = self._stamp().encode()
            lines = text.split(b"\n")
            first = lines[0] if self._line_open else stamp + lines[0]
            text = b"\n".join([first, *((stamp + line) if line else line for line in lines[1:])])
        self._line_open = not text.endswith(b"\n")
        self._write(text)

    def _stamp(self) -> str:
        if not self.timestamps:
            return ""
        now = time.time()
        return time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(now)) + f".{int(now % 1 * 1e6):06d} "

    def _write(self, data: bytes) -> None:
        try:
            self.stream.write(data)
            self.stream.flush()
        except (BrokenPipeError, ValueError):
            # Nobody reads any more (`pybuild … | head -1`): the build goes on, silently.
            self.verbosity = -2


def _amount(event: Progress) -> str:
    if event.unit == "bytes":
        done, total = human_size(event.done), human_size(event.total) if event.total else ""
    else:
        done, total = f"{event.done}", f"{event.total}" if event.total else ""
    return (
        f"{done} of {total} {'' if event.unit == 'bytes' else event.unit}".rstrip()
        if total
        else (done if event.unit == "bytes" else f"{done} {event.unit}")
    )


def _keep_colour(match: re.Match[bytes]) -> bytes:
    sequence = match.group()
    return sequence if sequence.startswith(b"\x1b[") and sequence.endswith(b"m") else b""
