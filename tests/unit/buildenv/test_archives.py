"""A listing from a tar, for places whose find cannot tell all."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pybuild import engine
from pybuild.buildenv import archives
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def pack(path: str) -> Iterator[Iterator[bytes]]:
    if path == "/missing":
        raise engine.NotFound("no /missing")
    entries = [
        (tar.TarEntry(name=b"t/", kind=tar.DIRECTORY, mode=0o755, uid=1, gid=2), b""),
        (tar.TarEntry(name=b"t/b", kind=tar.FILE, mode=0o4755, uid=1, gid=2, size=3), b"abc"),
        (tar.TarEntry(name=b"t/a", kind=tar.HARD_LINK, mode=0o4755, uid=1, gid=2, linkname=b"t/b"), b""),
        (tar.TarEntry(name=b"t/l", kind=tar.SYMLINK, mode=0o777, uid=1, gid=2, linkname=b"\xff"), b""),
    ]
    yield tar.write(entries)


def test_entries_come_from_the_tar_sorted_and_without_a_stamp() -> None:
    found = archives.listing("/x/t", pack)

    assert [(e.path, e.kind, e.mode, e.size, e.links, e.target) for e in found.entries] == [
        ("/x/t", "d", 0o755, 0, 1, ""),
        ("/x/t/a", "f", 0o4755, 3, 2, ""),
        ("/x/t/b", "f", 0o4755, 3, 2, ""),
        ("/x/t/l", "l", 0o777, 1, 1, "\udcff"),
    ]
    assert found.entries[1].inode == found.entries[2].inode
    assert found.stamp == ""


def test_a_missing_root_is_empty() -> None:
    assert archives.listing("/missing", pack).entries == ()
