"""The root file system of the container that we are in: what changed in it, as a layer, and a layer put back into it.

Nothing below a mount is part of it, nor are the folders of the build. OCI image-spec, "Image Layer Filesystem Changeset".
"""

# The whole file system is walked by name: what is there is the image's.
# ruff: noqa: PTH108, PTH112, PTH114, PTH115, PTH118, PTH120

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pybuild.buildenv import trees
from pybuild.errors import ExtendError, InvalidArchive
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_PIECE = 1 << 20
_ALWAYS = ("/dev", "/proc", "/sys", "/.dockerenv")
_XATTR = b"SCHILY.xattr."


class Seen(NamedTuple):
    """What lstat says of one path, as far as it tells of changes."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    ctime: int
    inode: int
    device: int


Snapshot = dict[str, Seen]


def left_out(*folders: str) -> frozenset[str]:
    """Paths that are no part of the image: `folders`, what engines put there, and everything mounted."""
    return frozenset((*folders, *_ALWAYS, *_mounts()))


def snapshot(skip: Collection[str]) -> Snapshot:
    """Everything there is now but `skip`."""
    found: Snapshot = {}
    waiting = ["/"]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            # Gone meanwhile.
            continue
        for entry in entries:
            if entry.path in skip:
                continue
            with suppress(FileNotFoundError):
                state = entry.stat(follow_symlinks=False)
                found[entry.path] = _seen(state)
                if stat.S_ISDIR(state.st_mode):
                    waiting.append(entry.path)
    return found


def changes(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> tuple[list[str], list[str]]:
    """Paths that are new or not what they were, and paths that are gone, without those below one that is gone."""
    changed = sorted(
        (path for path, seen in after.items() if _differs(before.get(path), seen)), key=os.fsencode
    )
    gone = {path for path in before if path not in after}
    removed = sorted(
        (path for path in gone if os.path.dirname(path) not in gone and _is_folder(after, path)),
        key=os.fsencode,
    )
    return changed, removed


def holds_devices(after: Mapping[str, Seen], changed: Iterable[str]) -> bool:
    """Whether a device is among the changed paths."""
    return any(stat.S_ISCHR(after[path].mode) or stat.S_ISBLK(after[path].mode) for path in changed)


def _is_folder(after: Mapping[str, Seen], path: str) -> bool:
    """Whether what `path` was in is still a folder; what took its place hides all that was below it."""
    parent = os.path.dirname(path)
    return parent == "/" or (parent in after and stat.S_ISDIR(after[parent].mode))


def layer(changed: Iterable[str], removed: Iterable[str]) -> Iterator[bytes]:
    """The layer of these changes: every file with its owner, mode and attributes, and one time for all."""
    return tar.gather(_layer(changed, removed))


def _layer(changed: Iterable[str], removed: Iterable[str]) -> Iterator[bytes]:
    links: dict[tuple[int, int], bytes] = {}
    for path in removed:
        folder, name = os.path.split(path)
        entry = tar.TarEntry(os.fsencode(f"{folder}/{WHITEOUT}{name}".lstrip("/")), tar.FILE, 0, 0, 0)
        yield tar.header(entry)
    for path in changed:
        try:
            yield from _one(path, links)
        except FileNotFoundError:
            # A socket or a file of a process that has just ended.
            continue
        except OSError as exc:
            raise ExtendError(f"{path}: cannot be read: {exc.strerror}") from exc
    yield tar.TRAILER


_KINDS = {
    stat.S_IFREG: tar.FILE,
    stat.S_IFDIR: tar.DIRECTORY,
    stat.S_IFLNK: tar.SYMLINK,
    stat.S_IFIFO: tar.FIFO,
    stat.S_IFCHR: tar.CHARACTER,
    stat.S_IFBLK: tar.BLOCK_DEVICE,
}


def _one(path: str, links: dict[tuple[int, int], bytes]) -> Iterator[bytes]:
    state = os.lstat(path)
    kind = _KINDS.get(stat.S_IFMT(state.st_mode))
    if kind is None:
        return
    name = os.fsencode(path.lstrip("/"))
    size, target = 0, b""
    if kind == tar.SYMLINK:
        target = os.fsencode(os.readlink(path))
    elif kind == tar.FILE:
        identity = (state.st_dev, state.st_ino)
        if state.st_nlink > 1 and identity in links:
            kind, target = tar.HARD_LINK, links[identity]
        else:
            links[identity] = name
            size = state.st_size
    device = kind in (tar.CHARACTER, tar.BLOCK_DEVICE)
    entry = tar.TarEntry(
        name=name + b"/" if kind == tar.DIRECTORY else name,
        kind=kind,
        mode=stat.S_IMODE(state.st_mode),
        uid=state.st_uid,
        gid=state.st_gid,
        size=size,
        linkname=target,
        devmajor=os.major(state.st_rdev) if device else 0,
        devminor=os.minor(state.st_rdev) if device else 0,
        xattrs=() if kind in (tar.SYMLINK, tar.HARD_LINK) or device else _xattrs(path),
    )
    yield tar.header(entry)
    if size:
        yield from _content(path, size)
        yield tar.padding(size)


def _content(path: str, size: int) -> Iterator[bytes]:
    left = size
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        while left:
            piece = file.read(min(_PIECE, left))
            if not piece:
                raise ExtendError(f"{path} became shorter while it was being read", hint="build again")
            left -= len(piece)
            yield piece


def _xattrs(path: str) -> tuple[tuple[bytes, bytes], ...]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return ()
    found = []
    for name in sorted(names):
        # What SELinux says of a file here, it says again where the image runs.
        if name != "security.selinux":
            with suppress(OSError):
                value = os.getxattr(path, name, follow_symlinks=False)
                found.append((_XATTR + os.fsencode(name), value))
    return tuple(found)


def apply(chunks: Iterable[bytes]) -> None:
    """Put a layer of ours, as `layer` made it, into the file system. Raises `InvalidArchive` for another one."""
    trees.unpack("/", _without_whiteouts(chunks))


def _without_whiteouts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for member, body in tar.read(chunks):
        path = "/" + os.fsdecode(member.name).strip("/")
        if ".." in path.split("/"):
            raise InvalidArchive(f"the layer names {path!r}")
        folder, name = os.path.split(path)
        if name.startswith(WHITEOUT):
            _remove(os.path.join(folder, name.removeprefix(WHITEOUT)))
            continue
        if os.path.lexists(path) and (member.kind != tar.DIRECTORY or not _is_real_folder(path)):
            _remove(path)
        yield tar.header(
            tar.TarEntry(
                name=member.name.rstrip(b"/"),
                kind=member.kind,
                mode=member.mode,
                uid=member.uid,
                gid=member.gid,
                size=member.size,
                linkname=member.linkname,
                devmajor=member.devmajor,
                devminor=member.devminor,
            )
        )
        yield from body
        yield tar.padding(member.size)
        for key, value in member.xattrs:
            os.setxattr(path, os.fsdecode(key.removeprefix(_XATTR)), value, follow_symlinks=False)
    yield tar.TRAILER


def _remove(path: str) -> None:
    if _is_real_folder(path):
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _is_real_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _differs(before: Seen | None, now: Seen) -> bool:
    if before is None:
        return True
    if stat.S_ISDIR(now.mode) and stat.S_ISDIR(before.mode):
        # A folder's times and size follow from what is in it, which is in the layer for itself.
        return (before.mode, before.uid, before.gid) != (now.mode, now.uid, now.gid)
    return before != now


def _seen(state: os.stat_result) -> Seen:
    return Seen(
        state.st_mode,
        state.st_uid,
        state.st_gid,
        state.st_size,
        state.st_mtime_ns,
        state.st_ctime_ns,
        state.st_ino,
        state.st_rdev,
    )


def _mounts() -> list[str]:
    """Where something is mounted, the root aside."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            points = [line.split()[4] for line in file]
    except OSError:
        return []
    return [point.replace("\\040", " ") for point in points if point != "/"]
