"""From the tar that a build environment gives to the tar that a layer is: same contents, our headers, our order.

Nothing of the incoming stream but contents gets into the layer: names, owners, modes and order come from the
plan, and every member has to be what the listing, from which the plan was made, says it is.
"""

from __future__ import annotations

import errno
import os
import posixpath
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Self

from pybuild.errors import DiskFull, ExportError
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pybuild.buildenv.api import Entry, Listing
    from pybuild.lifecycle.layers import PlannedEntry

_PIECE = 1 << 18
_IN_MEMORY = 1 << 22


def reframe(planned: Sequence[PlannedEntry], packed: Iterable[bytes], listing: Listing) -> Iterator[bytes]:
    """The tar of the plan, in the plan's order, with contents taken from `packed` while it streams.

    `packed`: what `BuildEnv.pack(listing.root)` gives. `listing`: the scan that the plan was made from; it may
    hold more than the plan (other slices). Needs little memory: contents that come before their turn wait in
    a temporary file. `packed` is not touched when the plan needs no content. Raises `ExportError` when the tree is not what the listing says any more.
    """
    if any(entry.path for entry in planned):
        yield from tar.gather(_reframed(planned, packed, listing))
    else:
        yield from tar.gather(tar.write((entry.tar, b"") for entry in planned))


def _reframed(planned: Sequence[PlannedEntry], packed: Iterable[bytes], listing: Listing) -> Iterator[bytes]:
    tree = _Tree(listing)
    # Without slices the plan wants every file: then their number says it as well as their names would.
    everything = sum(1 for entry in planned if entry.path) == tree.files
    wanted = None if everything else {entry.path for entry in planned if entry.path}
    linked = tree.linked_to(wanted)
    with _Waiting() as waiting:
        queue = _Queue(planned, waiting)
        for member, body in tar.read(packed):
            entry = tree.check(member)
            if entry.kind != "f" or not entry.size:
                continue
            if member.kind == tar.HARD_LINK:
                waiting.alias(entry.path, tree.content_of(entry, member.linkname))
            elif wanted is None or entry.path in wanted or entry.inode in linked:
                yield from queue.ready()
                yield from _one(entry, body, queue, waiting, keep=entry.inode in linked)
        yield from queue.ready()
        tree.check_complete()
        if queue.next_path:
            raise _changed(queue.next_path)
    yield tar.TRAILER


def _one(
    entry: Entry, body: Iterable[bytes], queue: _Queue, waiting: _Waiting, *, keep: bool
) -> Iterator[bytes]:
    """Pass a file's content on if it is its turn, else let it wait; `keep`: it will be needed again."""
    if queue.next_path != entry.path or keep:
        waiting.store(entry.path, body)
        return
    yield queue.take_header()
    yield from body
    yield tar.padding(entry.size)


class _Queue:
    """The plan's entries that are still to be written, in order."""

    def __init__(self, planned: Sequence[PlannedEntry], waiting: _Waiting) -> None:
        self._planned = planned
        self._waiting = waiting
        self._at = 0

    @property
    def next_path(self) -> str:
        """Whose content is to be written next; "" at the end."""
        return self._planned[self._at].path if self._at < len(self._planned) else ""

    def take_header(self) -> bytes:
        """The next entry's header; the caller goes on with its content."""
        self._at += 1
        return tar.header(self._planned[self._at - 1].tar)

    def ready(self) -> Iterator[bytes]:
        """All that can be written now: entries without content, and those whose content waits."""
        while self._at < len(self._planned):
            path = self.next_path
            if path and path not in self._waiting:
                return
            size = self._planned[self._at].tar.size
            yield self.take_header()
            if path:
                yield from self._waiting.load(path, size)
                yield tar.padding(size)


class _Waiting:
    """Contents in a temporary file, by path."""

    def __init__(self) -> None:
        # Not in the temporary folder's name, not kept: it is gone with its descriptor.
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (closed in __exit__)
        self._starts: dict[str, int] = {}
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, path: str) -> bool:
        return path in self._starts

    def store(self, path: str, content: Iterable[bytes]) -> None:
        start = self._end
        self._file.seek(start)
        try:
            for piece in content:
                self._file.write(piece)
                self._end += len(piece)
        except OSError as exc:
            if exc.errno != errno.ENOSPC:
                raise
            raise DiskFull(
                f"no space left for temporary files while {path} was being read",
                hint="free some space, or set TMPDIR to a folder on a larger disk",
            ) from exc
        self._starts[path] = start

    def alias(self, path: str, target: str) -> None:
        """Let `path` have the content of `target`, where that was stored."""
        if target in self._starts:
            self._starts[path] = self._starts[target]

    def load(self, path: str, size: int) -> Iterator[bytes]:
        at = self._starts[path]
        end = at + size
        while at < end:
            self._file.seek(at)
            piece = self._file.read(min(_PIECE, end - at))
            at += len(piece)
            yield piece


class _Tree:
    """What the listing says, to compare every member with."""

    def __init__(self, listing: Listing) -> None:
        self._entries = {entry.path: entry for entry in listing.entries}
        self._above = os.fsencode(posixpath.dirname(listing.root).rstrip("/"))
        self.files = sum(entry.kind == "f" and entry.size > 0 for entry in listing.entries)
        # What a member has been is forgotten, unless another may be a hard link to it.
        self._seen: set[str] = set()

    def linked_to(self, wanted: set[str] | None) -> set[int]:
        """Inodes with several names, of which the plan wants one or more; None: it wants all."""
        return {
            entry.inode
            for entry in self._entries.values()
            if entry.links > 1 and entry.kind == "f" and (wanted is None or entry.path in wanted)
        }

    def content_of(self, entry: Entry, linkname: bytes) -> str:
        """The path whose content `entry` shares, from the name that a hard link states."""
        target = self._entry_of(linkname)
        if (target.kind, target.size) != (entry.kind, entry.size):
            raise _changed(entry.path)
        return target.path

    def check(self, member: tar.Member) -> Entry:
        """The listing's entry for a member that comes for the first time and is what the listing says."""
        entry = self._entry_of(member.name)
        same = {
            "f": member.kind == tar.HARD_LINK or (member.kind == tar.FILE and member.size == entry.size),
            "d": member.kind == tar.DIRECTORY,
            "l": member.kind == tar.SYMLINK and member.linkname == os.fsencode(entry.target),
            "p": member.kind == tar.FIFO,
        }
        key = entry.path
        if not same.get(entry.kind, True) or key in self._seen:
            raise _changed(entry.path)
        if entry.kind == "f" and entry.links > 1:
            self._seen.add(key)
        elif entry.kind in same:
            del self._entries[key]
        return entry

    def _entry_of(self, name: bytes) -> Entry:
        # Names of members begin with the last component of the root.
        path = os.fsdecode(self._above + b"/" + name.removeprefix(b"./").rstrip(b"/"))
        if path not in self._entries:
            raise _changed(path)
        return self._entries[path]

    def check_complete(self) -> None:
        """Raise for an entry of the listing that no member was."""
        # Sockets cannot be in a tar, and devices are not in the plan.
        unseen = [path for path, entry in self._entries.items() if entry.kind in "fdlp"]
        if missing := [path for path in unseen if path not in self._seen]:
            raise _changed(min(missing))


def _changed(path: str) -> ExportError:
    return ExportError(
        f"{path!r} changed while it was being read",
        hint="a process of a buildpack may still write there: build again",
    )
