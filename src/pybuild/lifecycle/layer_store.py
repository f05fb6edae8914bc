"""Layers that an extender made, each in a file of its own under what it was made from: this build's, and the next ones'.

Only root writes there. What others could have put there is not believed: the folder may be the build user's.
"""

# Files here are named by hash and opened by descriptor.
# ruff: noqa: PTH101, PTH103, PTH105, PTH108, PTH118, PTH208

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

from pybuild.errors import DiskFull, ExtendError
from pybuild.events import detail, warn
from pybuild.oci.digest import Hashing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_VERSION = "pybuild layers 1"
_PIECE = 1 << 20
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Key:
    """What a layer was made from: the base image, and every instruction up to it."""

    text: str

    @classmethod
    def first(cls, base: str) -> Self:
        """Of the base image itself."""
        return cls(hashlib.sha256(f"{_VERSION}\0{base}".encode()).hexdigest())

    def then(self, what: str) -> Key:
        """After one more instruction."""
        return Key(hashlib.sha256(f"{self.text}\0{what}".encode(errors="surrogateescape")).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLayer:
    """A layer in a file. `size`: bytes of its tar."""

    path: str
    diff_id: str
    size: int

    def read(self) -> Iterator[bytes]:
        """Its tar. Raises `ExtendError` at the end if it is not that one."""
        with _opened(self.path) as file:
            content = Hashing(iter(lambda: file.read(_PIECE), b""))
            yield from content
        if content.digest != self.diff_id:
            raise ExtendError(f"{self.path} is not the layer {self.diff_id} any more", hint="remove it")


class LayerStore:
    """The layers in `folder`, of which those older than `seconds` count no more."""

    def __init__(self, folder: str, *, seconds: float) -> None:
        self._folder = folder
        try:
            self._open()
        except OSError as exc:
            raise ExtendError(f"{folder}: layers cannot be kept there: {exc.strerror}") from exc
        self._remove_old(time.time() - seconds)

    def find(self, key: Key) -> KeptLayer | None:
        """The layer that was made from the same."""
        path = os.path.join(self._folder, f"{key.text}.tar")
        try:
            with _opened(path) as file:
                state = os.fstat(file.fileno())
                if not _is_safe(state, stat.S_ISREG(state.st_mode)):
                    return None
                content = Hashing(iter(lambda: file.read(_PIECE), b""))
                for _ in content:
                    pass
        except OSError:
            return None
        return KeptLayer(path=path, diff_id=content.digest, size=content.size)

    def add(self, key: Key, chunks: Iterable[bytes]) -> KeptLayer:
        """Write a layer. Raises `ExtendError`, `DiskFull`."""
        path = os.path.join(self._folder, f"{key.text}.tar")
        content = Hashing(chunks)
        try:
            with open(f"{path}.new", "wb") as file:
                file.writelines(content)
            os.replace(f"{path}.new", path)
        except OSError as exc:
            with suppress(OSError):
                os.unlink(f"{path}.new")
            if exc.errno == 28:
                raise DiskFull(f"no space left in {self._folder} for a layer") from exc
            raise ExtendError(f"{path}: cannot be written: {exc.strerror}") from exc
        return KeptLayer(path=path, diff_id=content.digest, size=content.size)

    def _open(self) -> None:
        if os.path.lexists(self._folder):
            state = os.lstat(self._folder)
            if _is_safe(state, stat.S_ISDIR(state.st_mode)):
                return
            warn(f"{self._folder} was not root's alone, so what is in it is removed")
            if stat.S_ISDIR(state.st_mode):
                shutil.rmtree(self._folder)
            else:
                os.unlink(self._folder)
        os.makedirs(self._folder)
        os.chmod(self._folder, 0o700)

    def _remove_old(self, oldest: float) -> None:
        for name in os.listdir(self._folder):
            path = os.path.join(self._folder, name)
            with suppress(OSError):
                if os.lstat(path).st_mtime < oldest or name.endswith(".new"):
                    detail(f"the layer {name} is too old")
                    os.unlink(path)


def _is_safe(state: os.stat_result, is_kind: bool) -> bool:
    return is_kind and state.st_uid == os.geteuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _opened(path: str) -> IO[bytes]:
    return open(os.open(path, _OPEN), "rb")
