"""Tars on their way from and to an engine: a listing made from one (slower than find, for places where find cannot tell
all), and one that may break off while it is sent.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.buildenv.api import Entry, Listing
from pybuild.engine import NotFound
from pybuild.errors import InvalidArchive
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from pybuild.oci.tar_header import Member

_KINDS = {
    tar.FILE: "f",
    tar.SYMLINK: "l",
    tar.DIRECTORY: "d",
    tar.CHARACTER: "c",
    tar.BLOCK_DEVICE: "b",
    tar.FIFO: "p",
}


class Sent:
    """A tar's pieces for a request. `failure`: why they ended before their time.

    The request ends then like any other, and with its answer the engine has done with what it got. One that is cut off
    says nothing, and the engine may go on to write what it has while we remove it.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._pieces
        except Exception as exc:  # noqa: BLE001 - raised by who sends, after the answer
            self.failure = exc


def listing(root: str, pack: Callable[[str], AbstractContextManager[Iterator[bytes]]]) -> Listing:
    """The entries below `root`, without a stamp: a tar knows no ctime. Empty when there is no `root`.

    Inodes are made up, the same for all names of one file; sockets are not in a tar.
    """
    found: dict[bytes, Entry] = {}
    above = os.path.dirname(root.rstrip("/")) or "/"  # noqa: PTH120 (any bytes, not normalised)
    try:
        with pack(root) as chunks:
            for member, _ in tar.read(chunks):
                name = member.name.strip(b"/")
                if member.kind == tar.HARD_LINK:
                    first = member.linkname.strip(b"/")
                    if first not in found:
                        raise InvalidArchive(
                            f"{root}: the hard link {name!r} comes before its file {first!r}"
                        )
                    found[first] = replace(found[first], links=found[first].links + 1)
                    found[name] = replace(found[first], path=_path(above, name))
                elif member.kind in _KINDS:
                    found[name] = _entry(_path(above, name), member, inode=len(found) + 1)
    except NotFound:
        return Listing(root)
    return Listing(root, tuple(sorted(found.values(), key=lambda entry: os.fsencode(entry.path))))


def with_ctimes(found: Listing, seen: Listing) -> Listing:
    """`found` with the ctimes of the entries that `seen` has too; without a stamp, for it may not have all."""
    ctimes = {entry.path: entry.ctime for entry in seen.entries}
    entries = tuple(replace(each, ctime=ctimes.get(each.path, 0)) for each in found.entries)
    return Listing(found.root, entries)


def _path(above: str, name: bytes) -> str:
    return f"{above.rstrip('/')}/{name.decode('utf-8', 'surrogateescape')}"


def _entry(path: str, member: Member, *, inode: int) -> Entry:
    kind = _KINDS[member.kind]
    return Entry(
        path=path,
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=len(member.linkname) if kind == "l" else member.size,
        mtime=member.mtime * 1_000_000_000,
        ctime=0,
        inode=inode,
        links=1,
        target=member.linkname.decode("utf-8", "surrogateescape") if kind == "l" else "",
    )
