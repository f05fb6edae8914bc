"""Shows events to programs: `--log-format json`, one JSON object a line on standard error.

What the lines are is documented in docs/reference/events.md, which is written from `events` and this module.
"""

from __future__ import annotations

import dataclasses
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from pybuild import events
from pybuild.events import Output, PhaseFinished

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_HELD = 1 << 16  # bytes of an unfinished line of a buildpack that are kept back
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def event_name(kind: type) -> str:
    """What a kind of event is called: `phase-started` for `PhaseStarted`."""
    return _WORD.sub("-", kind.__name__).lower()


@dataclass(slots=True, kw_only=True)
class JsonLog:
    """A listener for `events.listening`, with what commands use of a `Console`. `clock`: seconds since 1970."""

    stream: IO[bytes]
    width: int = 80
    clock: Callable[[], float] = time.time
    timings: dict[str, float] = field(default_factory=dict)
    _held: dict[str, bytes] = field(default_factory=dict)

    def __call__(self, event: events.Event) -> None:
        """Write one event; of what buildpacks write, one for each line."""
        if isinstance(event, Output):
            self._output(event)
            return
        if isinstance(event, PhaseFinished):
            self.timings[event.phase] = self.timings.get(event.phase, 0.0) + event.seconds
            self.flush()
        fields = {each.name: getattr(event, each.name) for each in dataclasses.fields(event)}
        self._write(type(event), fields)

    def line(self, text: str, *, style: str = "", level: int = 0) -> None:
        """Tables are for people: `--json` has the same as data."""

    def tell_failure(self) -> None:
        """Everything has been told."""

    def flush(self) -> None:
        """Write what is held back of lines without an end."""
        for source, data in list(self._held.items()):
            if data:
                self._held[source] = b""
                self._write(Output, {"source": source, "text": data.decode(errors="replace")})

    def _output(self, event: Output) -> None:
        *lines, rest = (self._held.get(event.source, b"") + event.data).split(b"\n")
        if len(rest) > _LONGEST_HELD:
            lines, rest = [*lines, rest], b""
        self._held[event.source] = rest
        for line in lines:
            text = line.removesuffix(b"\r").decode(errors="replace")
            self._write(Output, {"source": event.source, "text": text})

    def _write(self, kind: type, fields: dict[str, Any]) -> None:
        stamp = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds")
        found = {"time": stamp.replace("+00:00", "Z"), "event": event_name(kind), **_redacted(fields)}
        try:
            self.stream.write(json.dumps(found, default=str).encode("ascii") + b"\n")
            self.stream.flush()
        except (BrokenPipeError, ValueError):
            # Nobody reads any more: the build goes on, silently.
            return


def _redacted(value: Any) -> Any:
    """The same without secrets, which are looked for before anything is escaped, and without digits that mean nothing."""
    if isinstance(value, str):
        return events.redact(value)
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _redacted(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(each) for each in value]
    return value
