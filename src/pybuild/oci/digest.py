"""Digests: `sha256:` and 64 hexadecimal digits, checked before they become part of a path or an address."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from pybuild.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EMPTY_LAYER = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""The digest of a tar without entries: 1024 zeros."""

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def sha256(data: bytes) -> str:
    """The digest of `data` as `sha256:…`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether `text` is a SHA-256 digest in its only spelling."""
    return _SHA256.fullmatch(text) is not None


def check(text: object, *, where: str) -> str:
    """`text` if it is a digest, else `InvalidInput` naming `where` it stood."""
    if isinstance(text, str) and is_digest(text):
        return text
    raise InvalidInput(f"{where}: expected sha256: and 64 hexadecimal digits, found {str(text)[:100]!r}")


class Hashing:
    """An iterable of chunks that hashes and counts what passes; `digest` and `size` speak of what has passed."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._hash = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._hash.update(chunk)
            self.size += len(chunk)
            yield chunk

    @property
    def digest(self) -> str:
        """The digest of all that has passed, as `sha256:…`."""
        return f"sha256:{self._hash.hexdigest()}"
