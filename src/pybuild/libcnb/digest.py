"""What a downloaded file must be, as registries say it: hexadecimal, as subresource integrity, or Go's `h1`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidFile

if TYPE_CHECKING:
    from pathlib import Path

_SIZES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64, "h1": 32}


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """`algorithm`: sha256, sha384, sha512, h1, or sha1 where a registry has nothing better."""

    algorithm: str
    value: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """`sha256:<hex>`, `sha512-<base64>` (npm's `integrity`; of several the longest) or `h1:<base64>` (go.sum).

        Raises `InvalidFile`.
        """
        readable = [found for word in text.split() if (found := _read(word))]
        if not readable:
            raise InvalidFile(
                f"{text[:100]!r} is no digest: expected sha256:<hex>, sha512-<base64> or h1:<base64>"
            )
        algorithm, value = max(readable, key=lambda pair: len(pair[1]))
        return cls(algorithm=algorithm, value=value)

    def matches(self, file: Path) -> bool:
        """Whether the file is that one, read in one pass and a small piece of memory."""
        found = _h1(file) if self.algorithm == "h1" else _plain(file, self.algorithm)
        return hmac.compare_digest(found, self.value)

    @property
    def name(self) -> str:
        """As a file's name."""
        return f"{self.algorithm}-{self.value.hex()}"

    def __str__(self) -> str:
        if self.algorithm == "h1":
            return f"h1:{base64.b64encode(self.value).decode()}"
        return f"{self.algorithm}:{self.value.hex()}"


def _read(word: str) -> tuple[str, bytes] | None:
    found = re.fullmatch(r"(\w+)([:-])([A-Za-z0-9+/=]+)(?:\?.*)?", word)
    if not found or found[1].lower() not in _SIZES:
        return None
    algorithm, coded = found[1].lower(), found[3]
    in_hex = found[2] == ":" and algorithm != "h1"
    try:
        value = bytes.fromhex(coded) if in_hex else base64.b64decode(coded, validate=True)
    except (ValueError, binascii.Error):
        return None
    return (algorithm, value) if len(value) == _SIZES[algorithm] else None


def _plain(file: Path, algorithm: str) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).digest()


def _h1(file: Path) -> bytes:
    # golang.org/x/mod/sumdb/dirhash, Hash1: the digest of a list of all files' digests, sorted by name.
    total = hashlib.sha256()
    with zipfile.ZipFile(file) as archive:
        for name in sorted(archive.namelist(), key=str.encode):
            with archive.open(name) as member:
                inner = hashlib.file_digest(member, "sha256").hexdigest()  # type: ignore[arg-type]
            total.update(f"{inner}  {name}\n".encode())
    return total.digest()
