"""What comes out of a build container's one connection, taken apart: the engine's frames, and in them the shell's marks."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

_WORD_BYTES = 24


@dataclass(slots=True)
class Frames:
    """The engine's multiplexed stream: 8 bytes of head (1 for stdout, 2 for stderr; length), then the data."""

    held: bytearray
    kind: int = 0
    left: int = 0

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """What `data` adds to standard output and to standard error."""
        self.held += data
        outputs = {1: bytearray(), 2: bytearray()}
        at = 0
        while at < len(self.held):
            if not self.left:
                if len(self.held) - at < 8:
                    break
                self.kind, self.left = struct.unpack_from(">BxxxL", self.held, at)
                at += 8
                if self.kind > 2:
                    raise EngineUnavailable(
                        "the Docker Engine sent something that is not a container's output"
                    )
                continue
            piece = self.held[at : at + self.left]
            outputs[2 if self.kind == 2 else 1] += piece
            at += len(piece)
            self.left -= len(piece)
        del self.held[:at]
        return bytes(outputs[1]), bytes(outputs[2])


class Marks:
    """Finds `NUL mark SPACE word LF` in a message's output, and lets everything else through at once."""

    def __init__(self, mark: str, output: Callable[[bytes], None]) -> None:
        self._mark = b"\0" + mark.encode() + b" "
        self._output = output
        self._held = b""
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """Pass `data` on; return the words that it completed, in order: b"ended 0", b"alive", …"""
        words: list[bytes] = []
        data = self._held + data
        while True:
            at = data.find(self._mark)
            if at < 0:
                keep = self._beginning_of_mark(data)
                self._pass(data[: len(data) - keep])
                self._held = data[len(data) - keep :]
                return words
            end = data.find(b"\n", at + len(self._mark))
            if end < 0 and len(data) - at < len(self._mark) + _WORD_BYTES:
                self._pass(data[:at])
                self._held = data[at:]
                return words
            self._pass(data[:at])
            word = data[at + len(self._mark) : end if end >= 0 else at + len(self._mark)]
            # What came before the first word was written before the message: by processes now dead.
            self._begun = True
            words.append(word)
            data = data[end + 1 if end >= 0 else at + len(self._mark) :]

    def _pass(self, data: bytes) -> None:
        if data and self._begun:
            self._output(data)

    def _beginning_of_mark(self, data: bytes) -> int:
        """How many bytes at the end of `data` may be the beginning of a mark."""
        at = data.find(b"\0", max(0, len(data) - len(self._mark) + 1))
        while at >= 0:
            if self._mark.startswith(data[at:]):
                return len(data) - at
            at = data.find(b"\0", at + 1)
        return 0
