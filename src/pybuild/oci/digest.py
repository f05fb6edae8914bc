"""Digests: `sha256:` and 64 hexadecimal digits, checked before they become part of a path or an address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, Self

from pybuild.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EMPTY_LAYER = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""The digest of a tar without entries: 1024 zeros."""

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def sha256(data: bytes) -> str:
    """The digest of `data` as `sha256:…`."""
    import hashlib  # opens OpenSSL, 3 ms; many a phase needs no digest

    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether `text` is a SHA-256 digest in its only spelling."""
    return _SHA256.fullmatch(text) is not None


def check(text: object, *, where: str) -> str:
    """`text` if it is a digest, else `InvalidInput` naming `where` it stood."""
    if isinstance(text, str) and is_digest(text):
        return text
    raise InvalidInput(f"{where}: expected sha256: and 64 hexadecimal digits, found {str(text)[:100]!r}")


class Tap(Protocol):
    """Something that takes a copy of what passes."""

    def take(self, chunk: bytes) -> None:
        """The next chunk."""

    def finish(self, digest: str) -> None:
        """All has passed; its digest."""

    def close(self) -> None:
        """Nothing more comes, whether it was all or not."""


class Hashing:
    """An iterable of chunks that hashes and counts what passes; `digest` and `size` speak of what has passed."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        import hashlib

        self._chunks = chunks
        self._hash = hashlib.sha256()
        self._taps: list[Tap] = []
        self.size = 0

    def tapped(self, tap: Tap) -> Self:
        """The same, with somebody more who gets a copy."""
        self._taps.append(tap)
        return self

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._chunks:
                self._hash.update(chunk)
                self.size += len(chunk)
                for tap in self._taps:
                    tap.take(chunk)
                yield chunk
            for tap in self._taps:
                tap.finish(self.digest)
        finally:
            for tap in self._taps:
                tap.close()

    @property
    def digest(self) -> str:
        """The digest of all that has passed, as `sha256:…`."""
        return f"sha256:{self._hash.hexdigest()}"


def hashing(chunks: Iterable[bytes]) -> Hashing:
    """`chunks` with its digest; chunks that are hashed on their way already are not hashed twice."""
    return chunks if isinstance(chunks, Hashing) else Hashing(chunks)
