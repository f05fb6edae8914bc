"""The tar of a cached layer, on its way out of a cache into the folder of that very layer and nowhere else.

A cache may have been in other hands. Its digests show that nothing was damaged; they do not show who made it. So a tar
is taken entry by entry: each must lie below the layer's folder, in a folder that the tar made before, and belongs to
the build user whatever it says (S-26, S-27).

Specification: buildpack.md, "Cached Layers".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive
from pybuild.lifecycle.exportable import parents_of
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ROOT = b"."


def below(chunks: Iterable[bytes], folder: str, *, uid: int, gid: int) -> Iterator[bytes]:
    """The tar's entries below `folder`, named from there; its parents are left out, anything else is refused."""
    root = os.fsencode(folder).strip(b"/")
    above = {os.fsencode(parent).strip(b"/") for parent in parents_of(folder)}
    kinds: dict[bytes, bytes] = {}
    for member, body in tar.read(chunks):
        name = member.name.strip(b"/")
        if name in above:
            continue
        entry = tar.TarEntry(
            name=_inside(name, root),
            kind=member.kind,
            mode=member.mode,
            uid=uid,
            gid=gid,
            size=member.size,
            linkname=_inside(member.linkname.strip(b"/"), root)
            if member.kind == tar.HARD_LINK
            else member.linkname,
        )
        _check(entry, kinds, folder)
        kinds[entry.name] = entry.kind
        yield tar.header(entry)
        yield from body
        yield tar.padding(member.size)
    yield tar.TRAILER


def _inside(name: bytes, root: bytes) -> bytes:
    if name == root:
        return _ROOT
    parts = name[len(root) + 1 :].split(b"/")
    if not name.startswith(root + b"/") or {b"", b".", b".."} & set(parts):
        raise InvalidArchive(f"{_shown(name)} does not belong to /{os.fsdecode(root)}")
    return b"/".join(parts)


def _check(entry: tar.TarEntry, kinds: dict[bytes, bytes], folder: str) -> None:
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
