"""Digests of what passes: computed once, whoever else gets a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.oci.digest import Hashing, hashing, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator


class Copy:
    """A tap that notes all that it is told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []

    def take(self, chunk: bytes) -> None:
        self.told.append(chunk)

    def finish(self, digest: str) -> None:
        self.told.append(digest)

    def close(self) -> None:
        self.told.append("closed")


def test_chunks_that_are_hashed_already_are_not_hashed_twice() -> None:
    first = hashing([b"a", b"b"])

    assert hashing(first) is first
    assert b"".join(first) == b"ab"
    assert (first.digest, first.size) == (sha256(b"ab"), 2)


def test_every_tap_gets_all_chunks_and_then_the_digest() -> None:
    one, other = Copy(), Copy()

    assert list(Hashing([b"a", b"b"]).tapped(one).tapped(other)) == [b"a", b"b"]

    assert one.told == other.told == [b"a", b"b", sha256(b"ab"), "closed"]


def test_a_tap_of_what_breaks_off_is_told_no_digest() -> None:
    copy = Copy()

    def breaking() -> Iterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(Hashing(breaking()).tapped(copy))

    assert copy.told == [b"a", "closed"]
