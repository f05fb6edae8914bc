"""Who a phase runs as: volumes made the build user's, then the build user for good; a door to the engine kept open.

Phases that talk to an image store may start as root; none of them reads or writes a file of the build as root. The
Docker Engine's socket, which only root may use, is opened by a child that stays root and does nothing else: it
connects and hands the connection over. Buildpacks inherit none of it.

Specification: platform.md, "analyzer", "restorer", "exporter", "creator" on `<uid>` and `<gid>`; GO-14.
"""

# Paths here are opened by descriptor, never followed.

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Self

from pybuild.errors import EngineUnavailable, PybuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

_GREETING_SECONDS = 20
_SET_DUMPABLE = 4  # PR_SET_DUMPABLE of linux/prctl.h
_DOES = {"detector": "detect", "builder": "build"}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def refuse_root(phase: Literal["detector", "builder"]) -> None:
    """Raise if this is root: detector and builder run other people's code and need no right at all."""
    if os.geteuid() == 0:
        raise PybuildError(
            f"failed to {_DOES[phase]}: refusing to run as root",
            hint="run it as the build user, CNB_USER_ID:CNB_GROUP_ID of the builder image",
        )


def own(paths: Iterable[str], uid: int, gid: int) -> None:
    """Give folders to the build user, with all in them, where it may not write yet. Missing ones are left out."""
    for path in paths:
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise _cannot_own(path, uid, gid, exc) from exc
        try:
            if not _may_write(os.fstat(folder), uid, gid):
                _own_tree(folder, uid, gid)
        except OSError as exc:
            raise _cannot_own(path, uid, gid, exc) from exc
        finally:
            os.close(folder)


def become(uid: int, gid: int) -> None:
    """Be this user and no other from now on, without further groups. Nothing to do if we are already."""
    if (os.geteuid(), os.getegid()) == (uid, gid) == (os.getuid(), os.getgid()):
        return
    try:
        if os.geteuid() == 0:
            os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as exc:
        raise PybuildError(
            f"exec as user {uid}:{gid}: {exc.strerror}",
            hint="start the phase as root or as that user; -uid and -gid, or CNB_USER_ID and CNB_GROUP_ID, name it",
        ) from exc


def close_to_others() -> None:
    """Keep other processes of our user from reading our memory and our variables: buildpacks that we start, say (S-24).

    They get none of it by inheritance; without this /proc would show it. Who was root before is closed already.
    """
    # The smallest Pythons have no ctypes.
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


class Door:
    """Connections to one socket file, opened by a child that keeps the rights that we had when it was made."""

    def __init__(self, path: str, ours: socket.socket, child: int) -> None:
        self._path = path
        self._ours = ours
        self._child = child

    @classmethod
    def keep(cls, path: str) -> Self:
        """Start the child. It ends when we do, or when the door is closed."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                ours.close()
                _serve(path, theirs)
            os._exit(0)
        theirs.close()
        return cls(path, ours, child)

    def open(self) -> socket.socket:
        """One new connection. `EngineUnavailable` when nobody answers there."""
        try:
            self._ours.sendall(b"?")
            said, descriptors, _, _ = socket.recv_fds(self._ours, 1 << 10, 1)
        except OSError as exc:
            raise EngineUnavailable(f"the way to {self._path} is closed: {exc.strerror}") from exc
        if not descriptors:
            raise EngineUnavailable(f"{self._path}: {said[1:].decode(errors='replace') or 'no answer'}")
        return socket.socket(fileno=descriptors[0])

    def close(self) -> None:
        """Let the child end."""
        self._ours.close()
        with suppress(ChildProcessError):
            os.waitpid(self._child, 0)


def _serve(path: str, asked: socket.socket) -> None:
    while asked.recv(1):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_GREETING_SECONDS)
            try:
                connection.connect(path)
            except OSError as exc:
                asked.sendall(b"!" + (exc.strerror or str(exc)).encode())
                continue
            connection.settimeout(None)
            socket.send_fds(asked, [b"."], [connection.fileno()])


def _may_write(found: os.stat_result, uid: int, gid: int) -> bool:
    # The owner is taken to be able to, and the rest of the tree to be like its root: a volume may be large.
    mode = found.st_mode
    return (
        found.st_uid == uid
        or (found.st_gid == gid and bool(mode & stat.S_IWGRP))
        or bool(mode & stat.S_IWOTH)
    )


def _own_tree(folder: int, uid: int, gid: int) -> None:
    os.fchown(folder, uid, gid)
    for name in os.listdir(folder):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
            continue
        below = os.open(name, _FOLDER, dir_fd=folder)
        try:
            _own_tree(below, uid, gid)
        finally:
            os.close(below)


def _cannot_own(path: str, uid: int, gid: int, exc: OSError) -> PybuildError:
    return PybuildError(
        f"chown volumes: {path} cannot be given to {uid}:{gid}: {exc.strerror}",
        hint="start the phase as root, or give the volume to the build user beforehand",
    )
