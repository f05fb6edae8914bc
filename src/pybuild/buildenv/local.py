"""The build environment that is this machine: inside a builder image, and in tests.

Specification: platform.md, "Build Environment".
"""

# Paths here are any bytes, opened by descriptor where it matters.
# ruff: noqa: PTH108, PTH115, PTH118, PTH207, PTH208

from __future__ import annotations

import glob
import os
import stat
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pybuild.buildenv import processes, trees
from pybuild.buildenv.api import Completed, Entry, Listing, Refused
from pybuild.buildenv.listing import listing
from pybuild.buildenv.output_limit import Written
from pybuild.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pybuild.buildenv.api import Command

OUTPUT_LIMIT = 1 << 20
RESULT_LIMIT = 1 << 20
OUTPUT_SETTING = "PYBUILD_LOG_LIMIT"
"""The variable by which a phase's programs may write more or less."""


class LocalBuildEnv:
    """Buildpacks run here, as `uid` and `gid` if we are root, else as who we are.

    Files are read and written as who we are: a phase that starts as root drops to the build user first.
    `output_limit`: bytes that all programs of `run` together, and each of `run_all`, may write; 0 for no limit.
    """

    def __init__(self, uid: int | None = None, gid: int | None = None, *, output_limit: int = 0) -> None:
        self.uid = os.geteuid() if uid is None else uid
        self.gid = os.getegid() if gid is None else gid
        drops = os.geteuid() == 0 and (self.uid, self.gid) != (0, 0)
        self._user = (self.uid, self.gid) if drops else None
        self._output_limit = output_limit
        self._written = Written("the phase", OUTPUT_SETTING)

    def run(self, command: Command, output: Callable[[bytes], None]) -> int:
        """Run one program to its end, handing its output on as it comes; see `BuildEnv.run`."""
        counted = self._written.counting(command.argv[0], output, most=self._output_limit)
        return processes.run([command], [counted], user=self._user)[0]

    def run_all(self, commands: Sequence[Command]) -> list[Completed]:
        """Run several programs at the same time; see `BuildEnv.run_all`."""
        tails = [_Tail(OUTPUT_LIMIT) for _ in commands]
        results = [command.result for command in commands if command.result]
        try:
            for path in results:
                self._create(path)
            outputs = [tail.add for tail in tails]
            statuses = processes.run(commands, outputs, user=self._user, most=self._output_limit)
            return [
                Completed(
                    status=status,
                    output=tail.data(),
                    result=_result(command.result) if command.result else None,
                )
                for command, status, tail in zip(commands, statuses, tails, strict=True)
            ]
        finally:
            for path in results:
                with suppress(OSError):
                    os.unlink(path)

    def script(self, text: str) -> bytes:
        """Run a POSIX sh script of ours; return its stdout. See `BuildEnv.script`."""
        uid, gid = (None, None) if self._user is None else self._user
        done = subprocess.run(
            ["/bin/sh", "-c", text],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=None if self._user is None else [],
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr[-2000:].decode(errors="backslashreplace").strip()
            raise BuildError(f"a script in the build environment ended with {done.returncode}: {said}")
        return done.stdout

    def read_files(self, patterns: Sequence[str], *, limit: int = 1 << 20) -> dict[str, bytes | Refused]:
        """Contents of every path that one of the patterns names; see `BuildEnv.read_files`."""
        found: dict[str, bytes | Refused] = {}
        for pattern in patterns:
            for path in sorted(glob.glob(pattern), key=os.fsencode):
                if path not in found and (content := _read(path, limit)) is not None:
                    found[path] = content
        return found

    def scan(self, roots: Sequence[str]) -> list[Listing]:
        """One listing for each root; see `BuildEnv.scan`."""
        return [listing(root, _walk(root)) for root in roots]

    @contextmanager
    def pack(self, path: str) -> Iterator[Iterator[bytes]]:
        """A tar of the tree at `path`; see `BuildEnv.pack`."""
        if not os.path.lexists(path):
            raise BuildError(f"there is no {path} to read")
        chunks = trees.pack(path)
        try:
            yield chunks
        finally:
            chunks.close()

    def file_reader(self) -> Callable[[Entry], Iterable[bytes]]:
        """What gives the content of one file of a listing; see `BuildEnv.file_reader`."""
        return trees.content

    def unpack(self, path: str, tar: Iterable[bytes]) -> None:
        """Unpack a tar of ours below `path`; see `BuildEnv.unpack`. Owners are set if we are root."""
        trees.unpack(path, tar)

    def unpack_own(self, path: str, tar: Iterable[bytes], *, owned: str) -> bool:  # noqa: ARG002 - we may write anywhere
        """See `BuildEnv.unpack_own`."""
        self.unpack(path, tar)
        return True

    def _create(self, path: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if self._user is not None:
                os.fchown(descriptor, *self._user)
        finally:
            os.close(descriptor)


class _Tail:
    """The last `limit` bytes of what is added."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()

    def add(self, chunk: bytes) -> None:
        self._data += chunk
        # Cutting moves the rest, so only every `limit` bytes.
        if len(self._data) > 2 * self._limit:
            del self._data[: -self._limit]

    def data(self) -> bytes:
        return bytes(self._data[-self._limit :])


def _read(path: str, limit: int) -> bytes | Refused | None:
    """The file's content, why not, or None for a directory or a path that is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        return _why_not(path, exc)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        return None if stat.S_ISDIR(mode) else Refused(why="not a regular file")
    with open(descriptor, "rb") as file:
        content = file.read(limit + 1)
    return content if len(content) <= limit else Refused(why="too large")


def _why_not(path: str, exc: OSError) -> Refused | None:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        return Refused(why="symlink")
    if stat.S_ISDIR(mode):
        return None
    if not stat.S_ISREG(mode):
        return Refused(why="not a regular file")
    return Refused(why=(exc.strerror or "not readable").lower())


def _result(path: str) -> bytes | None:
    content = _read(path, RESULT_LIMIT)
    return content if isinstance(content, bytes) else None


_KINDS = {
    stat.S_IFREG: "f",
    stat.S_IFDIR: "d",
    stat.S_IFLNK: "l",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
    stat.S_IFCHR: "c",
    stat.S_IFBLK: "b",
}


def _entry(path: str) -> Entry | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Entry(
        path=path,
        kind=_KINDS[stat.S_IFMT(found.st_mode)],
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        size=found.st_size,
        mtime=found.st_mtime_ns,
        ctime=found.st_ctime_ns,
        inode=found.st_ino,
        links=found.st_nlink,
        target=os.readlink(path) if stat.S_ISLNK(found.st_mode) else "",
    )


def _walk(root: str) -> Iterator[Entry]:
    waiting = [root]
    while waiting:
        path = waiting.pop()
        try:
            entry = _entry(path)
            if entry is None:
                continue
            yield entry
            if entry.kind == "d":
                waiting.extend(os.path.join(path, name) for name in os.listdir(path))
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise BuildError(f"cannot list {path[:200]}: {exc.strerror}") from exc
