"""What happens, as values: the one way library code speaks to whoever is listening.

Library code calls `emit`; the command line listens with a console or a JSON writer, a test with a list.
Nothing outside `cli/` prints. With no listener, events are dropped.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Phase = Literal[
    "ANALYZING",
    "DETECTING",
    "GENERATING",
    "EXTENDING",
    "RESTORING",
    "BUILDING",
    "EXPORTING",
    "REBASING",
    "PREPARING",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted:
    """A phase began; shown as `===> DETECTING`."""

    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFinished:
    """A phase ended well after `seconds` of wall time."""

    phase: Phase
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildpackFinished:
    """A bin/build ended well after `seconds` of wall time; `buildpack`: id and version."""

    buildpack: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Info:
    """A line every user sees, in the words of the Go lifecycle where it has some."""

    text: str


@dataclass(frozen=True, slots=True)
class Detail:
    """A line for `--verbose`."""

    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know that does not stop the work; `hint` is what to type."""

    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Bytes a buildpack wrote, as they came: any length, any encoding, not ended by a newline."""

    source: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a long step is. `total` 0 when unknown; `unit` "bytes" or a plural noun. `done` < 0: it ended."""

    label: str
    done: int
    total: int = 0
    unit: str = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDecided:
    """What became of one layer, and why.

    `action`: "added" to the image, "reused" from the previous one, "restored" for the build, "cached" for the
    next (in the image or not), "dropped". `owner`: a buildpack's id, "app", or the lifecycle's own.
    `size`: bytes of its uncompressed tar, 0 when unknown. `rebuilt`: its buildpack made
    it in this build, from nothing that an earlier one had kept, or with other contents.
    """

    action: Literal["added", "reused", "restored", "cached", "dropped"]
    owner: str
    layer: str
    reason: str = ""
    size: int = 0
    rebuilt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageWritten:
    """The image exists under its names. `changed` False: it was there already, and nothing was sent."""

    names: tuple[str, ...]
    image_id: str
    changed: bool
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The command ends with an error: one sentence, what to try next, and the exit code. The last event, if there is one."""

    message: str
    hint: str
    exit_code: int


Event = (
    PhaseStarted
    | PhaseFinished
    | BuildpackFinished
    | Info
    | Detail
    | Warned
    | Output
    | Progress
    | LayerDecided
    | ImageWritten
    | Failed
)


@dataclass(slots=True)
class _Audience:
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


_AUDIENCE = _Audience()
_LOGIN = re.compile(r"(https?://?)[^\s/?#]+@|(://?[^\s/?#:@]*:)[^\s/?#]+@")
"""What stands before the host: a token alone will do with HTTP, while in `ssh://git@host` there is nothing secret.

One slash is what is left where a URL was taken for a path."""


def emit(event: Event) -> None:
    """Tell every listener, one event at a time, from whichever thread it happens in."""
    with _AUDIENCE.lock:
        for listener in _AUDIENCE.listeners:
            listener(event)


def info(text: str) -> None:
    """Emit an `Info`."""
    emit(Info(text))


def detail(text: str) -> None:
    """Emit a `Detail`."""
    emit(Detail(text))


def warn(text: str, *, hint: str = "") -> None:
    """Emit a `Warned`."""
    emit(Warned(text, hint))


@contextmanager
def phase(name: Phase) -> Iterator[None]:
    """Emit that a phase began, and when the block ended well, that it finished and how long it took."""
    emit(PhaseStarted(phase=name))
    start = time.monotonic()
    yield
    emit(PhaseFinished(phase=name, seconds=time.monotonic() - start))


@contextmanager
def listening(listener: Callable[[Event], None]) -> Iterator[None]:
    """Have `listener` called with every event until the block ends."""
    _AUDIENCE.listeners.append(listener)
    try:
        yield
    finally:
        _AUDIENCE.listeners.remove(listener)


def hide(secret: str) -> None:
    """Never show this text again: `redact` replaces it. Texts under 4 characters are not worth hiding."""
    if len(secret) >= 4:
        _AUDIENCE.secrets.add(secret)


def hide_login(url: str) -> None:
    """Hide what stands before the host of a URL, and the password in it, wherever else they may be shown."""
    found = re.match(r"(?:[^\s/?#]*://)?([^\s/?#]+)@", url)
    if found:
        hide(found[1])
        hide(found[1].partition(":")[2])


def hides() -> bool:
    """Whether there is any secret for `redact` to replace."""
    return bool(_AUDIENCE.secrets)


def redact(text: str) -> str:
    """`text` with every hidden secret, and every login in a URL, replaced by `***`.

    Longest first, so that none shows through another.
    """
    for secret in sorted(_AUDIENCE.secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _LOGIN.sub(lambda found: f"{found[1] or found[2]}***@", text) if ":/" in text else text
