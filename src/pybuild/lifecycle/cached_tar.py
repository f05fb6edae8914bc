"""The tar of a cached layer, on its way out of a cache into the folder of that very layer and nowhere else.

A cache may have been in other hands. Its digests show that nothing was damaged; they do not show who made it. So a tar
is taken entry by entry: each must lie below the layer's folder, in a folder that the tar made before, and belongs to
the build user whatever it says (S-26, S-27).

Specification: buildpack.md, "Cached Layers".
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive
from pybuild.lifecycle.exportable import parents_of
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ROOT = b"."
_DETOUR = re.compile(rb"(?:^|/)\.{0,2}(?:/|\Z)")
"""A part of a path that is empty, `.` or `..`."""


def below(chunks: Iterable[bytes], folder: str, *, uid: int, gid: int) -> tar.Rewritten:
    """The tar's entries below `folder`, named from there; its parents are left out, anything else is refused."""
    return tar.Rewritten(_entries(chunks, folder, uid, gid))


def _entries(
    chunks: Iterable[bytes], folder: str, uid: int, gid: int
) -> Iterator[tuple[tar.Member, tar.Body]]:
    root = os.fsencode(folder).strip(b"/")
    above = {os.fsencode(parent).strip(b"/") for parent in parents_of(folder)}
    kinds: dict[bytes, bytes] = {}
    for member, body in tar.read(chunks):
        name = member.name.strip(b"/")
        if name in above:
            continue
        linkname = member.linkname
        if member.kind == tar.HARD_LINK:
            linkname = _inside(linkname.strip(b"/"), root)
        entry = tar.Member(
            _inside(name, root), member.kind, member.mode, uid, gid, member.size, tar.EPOCH, linkname, 0, 0
        )
        _check(entry, kinds, folder)
        kinds[entry.name] = entry.kind
        yield entry, body


def _inside(name: bytes, root: bytes) -> bytes:
    if name == root:
        return _ROOT
    inner = name[len(root) + 1 :]
    if not name.startswith(root + b"/") or _DETOUR.search(inner):
        raise InvalidArchive(f"{_shown(name)} does not belong to /{os.fsdecode(root)}")
    return inner


def _check(entry: tar.Member, kinds: dict[bytes, bytes], folder: str) -> None:
    """Refuse what could end up elsewhere. `kinds`: of the entries before."""
    if entry.name == _ROOT:
        if entry.kind != tar.DIRECTORY:
            raise InvalidArchive(f"{folder} is no directory in the archive")
        return
    parent = entry.name.rpartition(b"/")[0] or _ROOT
    if kinds.get(parent) != tar.DIRECTORY:
        raise InvalidArchive(f"{_shown(entry.name)} lies in no directory of the archive")
    if kinds.get(entry.name, entry.kind) != entry.kind:
        raise InvalidArchive(f"{_shown(entry.name)} is two things at once")
    if entry.kind in (tar.CHARACTER, tar.BLOCK_DEVICE):
        raise InvalidArchive(f"{_shown(entry.name)} is a device")
    if entry.kind == tar.HARD_LINK and kinds.get(entry.linkname) not in (tar.FILE, tar.HARD_LINK):
        raise InvalidArchive(f"{_shown(entry.name)} is another name of {_shown(entry.linkname)}, no file")


def _shown(name: bytes) -> str:
    return repr(os.fsdecode(name)[:200])
