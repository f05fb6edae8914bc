"""What the readers of an app's files have in common: an entry, an open file, and a reader's two verbs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Found:
    """One path of the app. `kind`: f file, d folder, l symlink; `mtime`: seconds since 1970; `path` is relative.

    `size` is what the survey saw; what is sent has the size of the file once opened. `place`: the reader's own
    way to the content.
    """

    path: bytes
    kind: str
    mode: int
    mtime: int
    size: int = 0
    target: bytes = b""
    place: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file being read: `size` bytes are expected of it; `read(n)` gives at most n, b"" at its end."""

    mode: int
    mtime: int
    size: int
    read: Callable[[int], bytes]
    close: Callable[[], None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Reader(Protocol):
    """Reads one app; `walk` may be called again for a second pass."""

    def walk(self) -> Iterator[Found]:
        """Every path to send, a folder before what is in it, by the bytes of the names."""
        ...

    def open(self, found: Found) -> Opened | None:
        """The content of a file that `walk` has just given; None when it is gone."""
        ...


def shown_name(path: bytes) -> str:
    """A path for messages: what is not printable is escaped."""
    text = os.fsdecode(path)
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )
