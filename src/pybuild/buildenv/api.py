"""Where buildpacks run: the verbs a phase needs of a place, and nothing more.

A place is this machine (`buildenv.local`) or one container (`buildenv.container`); the contract suite proves
that both do the same. Verbs are tree-sized, because in a container each one is a round trip. Paths are
absolute paths inside the place, as `str` with undecodable bytes kept by surrogateescape.

Specification: platform.md, "Build Environment".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pybuild.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One program to run: `environ` is all it sees, nothing is inherited. Its standard input is empty.

    `result`: a file the program may write (a build plan), whose folder exists; `run_all` creates it, empty and
    the build user's, before the program starts, and afterwards returns its content and removes it.
    """

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    cwd: str
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a command of `run_all` ended.

    `status`: its exit code; 128 + n when signal n killed it; -1 when it could not be started (`output` says why).
    `output`: standard output and error, interleaved as written, cut to the last MiB.
    `result`: content of `Command.result`; None when the command left no regular file there (or one over 1 MiB).
    """

    status: int
    output: bytes
    result: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path as lstat sees it. Times are nanoseconds since 1970; `target` is a symlink's text."""

    path: str
    kind: str  # f regular file, d directory, l symlink, p FIFO, s socket, c and b devices
    mode: int  # permission, setuid, setgid and sticky bits: 0o7777 at most
    uid: int
    gid: int
    size: int
    mtime: int
    ctime: int
    inode: int
    links: int
    target: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Every path at and below one root, sorted by the bytes of its path. Empty when the root is missing.

    `stamp` is a SHA-256 over all that tells whether anything changed: path, kind, mode, owner, size, mtime,
    ctime, inode, links, target of every entry. "" where the place cannot tell (no ctime or inode to be had);
    then nothing may be taken for unchanged.
    """

    root: str
    entries: Sequence[Entry] = field(default=())
    stamp: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A path that `read_files` met and would not read, and why: "symlink", "not a regular file", "too large"."""

    why: str


class FileChanged(BuildError):
    """A file is not what the listing said when it is to be read."""


class BuildEnv(Protocol):
    """A place where buildpacks run, as the build user, without capabilities or credentials."""

    uid: int
    gid: int

    def run(self, command: Command, output: Callable[[bytes], None]) -> int:
        """Run one program to its end, handing its stdout and stderr on as they come; return its status.

        Status as in `Completed`. When it has ended, every process it left behind is killed.
        """
        ...

    def run_all(self, commands: Sequence[Command]) -> list[Completed]:
        """Run several programs at the same time; one round trip. Processes they leave behind are killed."""
        ...

    def script(self, text: str) -> bytes:
        """Run a POSIX sh script of ours as the build user; return its stdout. `BuildError` if it exits non-zero."""
        ...

    def read_files(self, patterns: Sequence[str], *, limit: int = 1 << 20) -> dict[str, bytes | Refused]:
        """Contents of every path that one of the shell glob patterns (`*`, `?`, `[…]`) names; one round trip.

        Never follows a symlink in the last component, never blocks on a FIFO or device, never reads more than
        `limit` bytes of one file: such paths are `Refused`. Directories and missing paths are left out.
        """
        ...

    def scan(self, roots: Sequence[str]) -> list[Listing]:
        """One listing for each root, in order; one round trip. Never follows a symlink."""
        ...

    def pack(self, path: str) -> AbstractContextManager[Iterator[bytes]]:
        """A tar of the tree at `path`, in chunks; entry names begin with the last component of `path`.

        Any tar dialect, walk order (directory before children, children sorted by bytes), hard links allowed.
        """
        ...

    def file_reader(self) -> Callable[[Entry], Iterable[bytes]] | None:
        """What gives the content of one file of a listing, in pieces; None where a file costs a round trip: `pack` then.

        It raises `FileChanged` when there is no file any more, or not the one of the listing.
        """
        ...

    def unpack(self, path: str, tar: Iterable[bytes]) -> None:
        """Unpack a tar of ours below `path`, with the owners and modes that it states, over what is there."""
        ...

    def unpack_own(self, path: str, tar: Iterable[bytes], *, owned: str) -> bool:
        """As `unpack`, for a tar that has nothing but files of the build user in the folder `owned`.

        Faster, where the build user can do it by itself. False where not: then some of it may be there already, and
        `unpack` goes over it. Raises what `tar` raises while it is read.
        """
        ...
