"""Trees of this machine as tar streams: out of a folder, and into one without ever leaving it."""

# Paths here are any bytes, opened by descriptor where it matters.
# ruff: noqa: PTH103, PTH112, PTH114, PTH115, PTH118, PTH120, PTH208

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pybuild.buildenv.api import FileChanged
from pybuild.errors import BuildError, DiskFull, InvalidArchive
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from pybuild.buildenv.api import Entry

CHUNK = 1 << 20
_NEW = os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: tar.FILE,
    stat.S_IFDIR: tar.DIRECTORY,
    stat.S_IFLNK: tar.SYMLINK,
    stat.S_IFIFO: tar.FIFO,
    stat.S_IFCHR: tar.CHARACTER,
    stat.S_IFBLK: tar.BLOCK_DEVICE,
}
_LATEST = 0o77777777777  # seconds since 1970 that a header can state


def pack(root: str) -> Generator[bytes, None, None]:
    """A tar of the tree at `root`, whose names begin with the last component of `root`.

    A directory comes before its children, these in the order of their bytes; sockets are left out; a second
    name of one inode is a hard link to the first. `BuildError` when something cannot be read.
    """
    base = os.path.dirname(os.path.normpath(root))
    seen: dict[tuple[int, int], str] = {}
    for path in _walk(os.path.normpath(root)):
        try:
            yield from _member(path, os.path.relpath(path, base or "."), seen)
        except OSError as exc:
            raise BuildError(f"cannot read {path}: {exc.strerror}") from exc
    yield tar.TRAILER


def _walk(root: str) -> Iterator[str]:
    waiting = [root]
    while waiting:
        path = waiting.pop()
        yield path
        if os.path.isdir(path) and not os.path.islink(path):
            try:
                names = os.listdir(path)
            except OSError as exc:
                raise BuildError(f"cannot list {path}: {exc.strerror}") from exc
            waiting.extend(os.path.join(path, name) for name in sorted(names, key=os.fsencode, reverse=True))


def _member(path: str, name: str, seen: dict[tuple[int, int], str]) -> Iterator[bytes]:
    found = os.lstat(path)
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is None:
        return
    linkname = ""
    if kind == tar.SYMLINK:
        linkname = os.readlink(path)
    elif kind == tar.FILE:
        inode = (found.st_dev, found.st_ino)
        if found.st_nlink > 1 and seen.setdefault(inode, name) != name:
            kind, linkname = tar.HARD_LINK, seen[inode]
        else:
            yield from _file(path, name)
            return
    device = kind in (tar.CHARACTER, tar.BLOCK_DEVICE)
    yield _header(
        name,
        kind,
        found,
        linkname=os.fsencode(linkname),
        devmajor=os.major(found.st_rdev) if device else 0,
        devminor=os.minor(found.st_rdev) if device else 0,
    )


def _file(path: str, name: str) -> Iterator[bytes]:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | _NEW), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise BuildError(f"{path} stopped being a regular file while it was read")
        yield _header(name, tar.FILE, found, size=found.st_size)
        left = found.st_size
        while left:
            chunk = file.read(min(left, CHUNK))
            if not chunk:
                raise BuildError(f"{path} became shorter while it was read")
            left -= len(chunk)
            yield chunk
    yield tar.padding(found.st_size)


def _header(
    name: str,
    kind: bytes,
    found: os.stat_result,
    *,
    size: int = 0,
    linkname: bytes = b"",
    devmajor: int = 0,
    devminor: int = 0,
) -> bytes:
    mode, time = stat.S_IMODE(found.st_mode), min(max(int(found.st_mtime), 0), _LATEST)
    entry = tar.TarEntry(
        os.fsencode(name), kind, mode, found.st_uid, found.st_gid, size, linkname, devmajor, devminor
    )
    return tar.header(entry, mtime=time)


def content(entry: Entry) -> Iterable[bytes]:
    """The content of the file that `entry` lists, in pieces. `FileChanged` if it is not that file any more."""
    try:
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_NONBLOCK | _NEW)
        try:
            found = os.fstat(descriptor)
            if (found.st_size, found.st_mtime_ns, found.st_ino) != (entry.size, entry.mtime, entry.inode):
                raise FileChanged(f"{entry.path!r} changed while it was being read")
            if entry.size > CHUNK:
                return _pieces(os.dup(descriptor), entry)
            data = os.read(descriptor, entry.size)
        finally:
            os.close(descriptor)
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise FileChanged(f"{entry.path!r} changed while it was being read") from exc
        raise BuildError(f"cannot read {entry.path}: {exc.strerror}") from exc
    if len(data) != entry.size:
        raise FileChanged(f"{entry.path!r} changed while it was being read")
    return (data,)


def _pieces(descriptor: int, entry: Entry) -> Iterator[bytes]:
    left = entry.size
    with open(descriptor, "rb", buffering=0) as file:
        while left:
            piece = file.read(min(left, CHUNK))
            if not piece:
                raise FileChanged(f"{entry.path!r} changed while it was being read")
            left -= len(piece)
            yield piece


def unpack(root: str, chunks: Iterable[bytes]) -> None:
    """Write every member below `root` (made if missing), with its mode and time, and its owner if we are root.

    No member leaves `root`: every folder on the way is opened without following symlinks. Files and symlinks
    replace what is there, folders join it. `InvalidArchive` for devices, for `..`, for a way through a symlink.
    """
    try:
        os.makedirs(root, exist_ok=True)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _Unpacking(descriptor).write(chunks)
        finally:
            os.close(descriptor)
    except OSError as exc:
        kind = DiskFull if exc.errno in (errno.ENOSPC, errno.EDQUOT) else BuildError
        raise kind(f"cannot write below {root}: {exc.strerror}: {exc.filename or ''}") from exc


class _Unpacking:
    """One archive on its way into the folder open as `root`."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._owns = os.geteuid() == 0
        self._folders: list[tuple[tuple[bytes, ...], tar.Member]] = []
        # The folder of the last member, which most often is the next one's too. None is removed while we write.
        self._at: tuple[bytes, ...] = ()
        self._here = os.dup(root)

    def write(self, chunks: Iterable[bytes]) -> None:
        try:
            for member, body in tar.read(chunks):
                parts = _parts(member.name)
                if member.kind == tar.DIRECTORY:
                    self._folder(parts, member)
                elif parts:
                    self._node(self._move(parts[:-1]), parts[-1], member, body)
        finally:
            os.close(self._here)
        # Last and deepest first, so that a folder without write permission can be filled, and keeps its time.
        for parts, member in sorted(self._folders, key=lambda item: len(item[0]), reverse=True):
            with self._opened(parts) as folder:
                self._settle(folder, member)

    def _node(self, parent: int, name: bytes, member: tar.Member, body: Iterable[bytes]) -> None:
        if member.kind == tar.FILE:
            self._file(parent, name, member, body)
        elif member.kind == tar.HARD_LINK:
            self._link(parent, name, member)
        elif member.kind == tar.SYMLINK:
            _clear(parent, name)
            os.symlink(member.linkname, name, dir_fd=parent)
            if self._owns:
                os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
            times = (member.mtime * 10**9, member.mtime * 10**9)
            os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)
        elif member.kind == tar.FIFO:
            _clear(parent, name)
            os.mkfifo(name, 0o600, dir_fd=parent)
            descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _NEW, dir_fd=parent)
            try:
                self._settle(descriptor, member)
            finally:
                os.close(descriptor)
        else:
            raise InvalidArchive(f"{_shown(member.name)} in a tar is a device, which no build may bring")

    def _file(self, parent: int, name: bytes, member: tar.Member, body: Iterable[bytes]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NEW
        try:
            descriptor = os.open(name, flags, 0o600, dir_fd=parent)
        except FileExistsError:
            os.unlink(name, dir_fd=parent)
            descriptor = os.open(name, flags, 0o600, dir_fd=parent)
        try:
            for piece in body:
                done = os.write(descriptor, piece)
                while done < len(piece):
                    done += os.write(descriptor, piece[done:])
            self._settle(descriptor, member)
        finally:
            os.close(descriptor)

    def _link(self, parent: int, name: bytes, member: tar.Member) -> None:
        source = _parts(member.linkname)
        if not source:
            raise InvalidArchive(f"{_shown(member.name)} in a tar is a hard link to nothing")
        with self._opened(source[:-1]) as folder:
            if not stat.S_ISREG(os.stat(source[-1], dir_fd=folder, follow_symlinks=False).st_mode):
                raise InvalidArchive(f"{_shown(member.name)} in a tar is a hard link to what is no file")
            with suppress(FileNotFoundError):
                # A link over itself would delete the only name that its content has.
                if os.path.samestat(
                    os.stat(source[-1], dir_fd=folder, follow_symlinks=False),
                    os.stat(name, dir_fd=parent, follow_symlinks=False),
                ):
                    return
            _clear(parent, name)
            os.link(source[-1], name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)

    def _folder(self, parts: tuple[bytes, ...], member: tar.Member) -> None:
        if parts:
            parent = self._move(parts[:-1])
            try:
                os.mkdir(parts[-1], 0o755, dir_fd=parent)
            except FileExistsError:
                found = os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
                if not stat.S_ISDIR(found.st_mode):
                    os.unlink(parts[-1], dir_fd=parent)
                    os.mkdir(parts[-1], 0o755, dir_fd=parent)
        self._folders.append((parts, member))

    def _settle(self, descriptor: int, member: tar.Member) -> None:
        if self._owns:
            os.fchown(descriptor, member.uid, member.gid)
        # After the owner, because changing that takes setuid and setgid away.
        os.fchmod(descriptor, member.mode & 0o7777)
        time = member.mtime * 10**9
        os.utime(descriptor, ns=(time, time))

    def _move(self, parts: tuple[bytes, ...]) -> int:
        """The folder at `parts`, which stays open until the next call."""
        if parts != self._at:
            descriptor = self._open(parts)
            os.close(self._here)
            self._at, self._here = parts, descriptor
        return self._here

    @contextmanager
    def _opened(self, parts: tuple[bytes, ...]) -> Iterator[int]:
        descriptor = self._open(parts)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _open(self, parts: tuple[bytes, ...]) -> int:
        """The folder at `parts`, made where it is missing."""
        descriptor = os.dup(self._root)
        try:
            for part in parts:
                below = _enter(part, descriptor, parts)
                os.close(descriptor)
                descriptor = below
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _enter(part: bytes, folder: int, parts: tuple[bytes, ...]) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | _NEW
    try:
        try:
            return os.open(part, flags, dir_fd=folder)
        except FileNotFoundError:
            os.mkdir(part, 0o755, dir_fd=folder)
            return os.open(part, flags, dir_fd=folder)
    except OSError as exc:
        if exc.errno in (errno.ENOTDIR, errno.ELOOP):
            way = _shown(b"/".join(parts))
            raise InvalidArchive(f"{way} in a tar leads through {_shown(part)}, which is no folder") from exc
        raise


def _clear(parent: int, name: bytes) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)


def _parts(name: bytes) -> tuple[bytes, ...]:
    parts = tuple([part for part in name.split(b"/") if part not in (b"", b".")])
    if b".." in parts or b"\0" in name:
        raise InvalidArchive(f"{_shown(name)} in a tar would leave the folder that it is unpacked into")
    return parts


def _shown(name: bytes) -> str:
    return name[:200].decode(errors="backslashreplace")
