"""What differs between two layers: files added, removed and changed, told from their tars while these stream by.

Of each entry only facts are kept, and of the second tar only what is not in the first: memory grows with the number
of files, never with their size, and both are bounded.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pybuild.errors import InvalidArchive
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pybuild.oci.tar import Body, Member

Change = Literal["added", "removed", "changed"]

MOST_ENTRIES = 500_000
MOST_NAMES = 64 << 20
"""Bytes of all names and link targets of one layer."""
MOST_LISTED = 10_000
"""Differing files that are named; further ones are only counted."""

_KINDS = {
    tar.FILE: "file",
    tar.HARD_LINK: "hard link",
    tar.SYMLINK: "symlink",
    tar.CHARACTER: "character device",
    tar.BLOCK_DEVICE: "block device",
    tar.DIRECTORY: "directory",
    tar.FIFO: "fifo",
}


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What is kept of one entry. `digest`: SHA-256 of a file's content, else empty; `target`: of a link."""

    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: bytes
    device: tuple[int, int]
    digest: bytes

    def as_json(self) -> dict[str, Any]:
        """Only what this kind of entry has."""
        shown: dict[str, Any] = {
            "type": _KINDS.get(self.kind, "other"),
            "mode": f"{self.mode:04o}",
            "uid": self.uid,
            "gid": self.gid,
            "mtime": self.mtime,
        }
        if self.kind == tar.FILE:
            shown |= {"size": self.size, "digest": f"sha256:{self.digest.hex()}"}
        if self.kind in (tar.SYMLINK, tar.HARD_LINK):
            shown["target"] = _text(self.target)
        if self.kind in (tar.CHARACTER, tar.BLOCK_DEVICE):
            shown["device"] = list(self.device)
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One path that differs. `a`, `b`: its facts in each image, None where it is not.

    `what`: of a changed one, in this order: type, content, size, mode, owner, mtime, target, device.
    """

    path: str
    a: EntryFacts | None
    b: EntryFacts | None

    @property
    def change(self) -> Change:
        """Added, removed or changed."""
        return "added" if self.a is None else "removed" if self.b is None else "changed"

    @property
    def what(self) -> tuple[str, ...]:
        """What changed; empty unless it is in both."""
        a, b = self.a, self.b
        if a is None or b is None:
            return ()
        if a.kind != b.kind:
            return ("type",)
        pairs = {
            "content": (a.digest, b.digest),
            "size": (a.size, b.size),
            "mode": (a.mode, b.mode),
            "owner": ((a.uid, a.gid), (b.uid, b.gid)),
            "mtime": (a.mtime, b.mtime),
            "target": (a.target, b.target),
            "device": (a.device, b.device),
        }
        return tuple(name for name, (one, other) in pairs.items() if one != other)

    def as_json(self) -> dict[str, Any]:
        """See the class."""
        return {
            "path": self.path,
            "change": self.change,
            "what": list(self.what),
            "a": self.a.as_json() if self.a else None,
            "b": self.b.as_json() if self.b else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryChanges:
    """All that differs between two tars. `files`: the first `MOST_LISTED` of them, by path; the numbers are complete.

    With nothing in `files`: `reordered` tells that the same entries stand in another order; if they do not, only
    headers differ that no file shows (their format, extended attributes).
    """

    added: int
    removed: int
    changed: int
    files: tuple[FileChange, ...]
    reordered: bool

    @property
    def total(self) -> int:
        """How many paths differ."""
        return self.added + self.removed + self.changed

    def as_json(self) -> dict[str, Any]:
        """See the class."""
        return {
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "reordered": self.reordered,
            "complete": len(self.files) == self.total,
            "files": [file.as_json() for file in self.files],
        }


class Collector(Protocol):
    """Takes contents of some files while a tar streams by."""

    def wants(self, path: str) -> bool:
        """Whether the content of this file is wanted."""
        ...

    def take(self, path: str, size: int, digest: str, content: bytes | None) -> None:
        """The content; None where it is larger than `limit`."""
        ...

    @property
    def limit(self) -> int:
        """Bytes of one content at most."""
        ...


def read_entries(
    chunks: Iterable[bytes], collector: Collector | None = None
) -> Iterator[tuple[bytes, EntryFacts]]:
    """Every entry of a layer's tar, its path without slashes at the ends. Raises `InvalidArchive` beyond the bounds."""
    names = 0
    for member, body in tar.read(chunks, limits=tar.Limits(entries=MOST_ENTRIES)):
        names += len(member.name) + len(member.linkname)
        if names > MOST_NAMES:
            raise InvalidArchive(
                f"the names in a layer are longer than {MOST_NAMES >> 20} MiB together: it is not compared"
            )
        path = posixpath.normpath(b"/" + member.name).lstrip(b"/")
        yield path, _facts(member, body, collector, path)


def entry_changes(
    a: Iterable[tuple[bytes, EntryFacts]], b: Iterable[tuple[bytes, EntryFacts]]
) -> EntryChanges:
    """What is not the same in both. Of a path that comes twice the last entry counts, as when it is unpacked."""
    held: dict[bytes, EntryFacts] = {}
    order_of_a, order_of_b = hashlib.blake2b(), hashlib.blake2b()
    for path, facts in a:
        held[path] = facts
        order_of_a.update(path + b"\0")
    # Only what is not as in `a`: of two layers that are nearly alike the second costs next to nothing.
    other: dict[bytes, EntryFacts] = {}
    seen: set[bytes] = set()
    for path, facts in b:
        order_of_b.update(path + b"\0")
        if path in held:
            seen.add(path)
        if held.get(path) == facts:
            other.pop(path, None)
        else:
            other[path] = facts
    removed = held.keys() - seen
    changes = sorted(removed | other.keys())
    return EntryChanges(
        added=sum(path not in held for path in other),
        removed=len(removed),
        changed=sum(path in held for path in other),
        files=tuple(
            FileChange(path="/" + _text(path), a=held.get(path), b=other.get(path))
            for path in changes[:MOST_LISTED]
        ),
        reordered=not changes and order_of_a.digest() != order_of_b.digest(),
    )


def _facts(member: Member, body: Body, collector: Collector | None, path: bytes) -> EntryFacts:
    digest = b""
    if member.kind == tar.FILE:
        taker = collector if collector is not None and collector.wants(_text(path)) else None
        hashed, pieces = hashlib.sha256(), []
        for piece in body:
            hashed.update(piece)
            if taker is not None and member.size <= taker.limit:
                pieces.append(piece)
        digest = hashed.digest()
        if taker is not None:
            content = b"".join(pieces) if member.size <= taker.limit else None
            taker.take(_text(path), member.size, hashed.hexdigest(), content)
    return EntryFacts(
        member.kind,
        member.mode,
        member.uid,
        member.gid,
        member.size,
        member.mtime,
        member.linkname,
        (member.devmajor, member.devminor),
        digest,
    )


def _text(name: bytes) -> str:
    """A path to show. What is no UTF-8 becomes escapes: the result is a text in every case."""
    return name.decode("utf-8", "backslashreplace")
