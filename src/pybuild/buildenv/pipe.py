"""A named pipe between the build container and us, where both are on one machine.

What a container writes to its output is copied four times on its way through the engine, and costs more than
reading the files. A pipe that is mounted into the container costs half. The other way, the engine starts a program
of its own for every archive that it unpacks: docs/adr/0002-host-driven-lifecycle.md.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

INSIDE = "/dev/pybuild-pipe"
"""Where the container has it."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SIZE = 1 << 20
_PREFIX = "pybuild-pipe-"
_KEPT = "kept"
_PAUSE_SECONDS = 0.01


class Pipe:
    """The reading end; and the path to mount, which has to be there for as long as the container is."""

    def __init__(self) -> None:
        # Open to this user alone; a mount leads past that.
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self.path = self._folder / "pipe"
        try:
            os.mkfifo(self.path)
            self.path.chmod(0o666)
            self._end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        with suppress(OSError):
            fcntl.fcntl(self._end, fcntl.F_SETPIPE_SZ, _SIZE)

    def fileno(self) -> int:
        """The reading end's descriptor, -1 when it is closed."""
        return self._end

    def read(self) -> bytes:
        """What is in it, 1 MiB at most; b"" for nothing, whether or not somebody may still write."""
        try:
            return os.read(self._end, _SIZE)
        except BlockingIOError:
            return b""

    def clear(self) -> None:
        """Forget what is in it: the words of processes that are dead."""
        while self.read():
            pass

    def fill(self, pieces: Iterable[bytes]) -> Filling:
        """Begin to write `pieces` into it, for a program in the container."""
        return Filling(self, pieces)

    def close(self) -> None:
        """Nothing more is read, and who still writes ends. May be called again."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._hang_up()

    def leave(self) -> None:
        """The same for a container that outlives us: the engine cannot copy out of one that lacks a mounted path."""
        with suppress(OSError):
            (self._folder / _KEPT).touch()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._end >= 0:
            os.close(self._end)
            self._end = -1


class Filling:
    """A thread that writes into a pipe what a program in the container reads there.

    `failure`: what went wrong with the pieces themselves, once `end` has returned.
    """

    def __init__(self, pipe: Pipe, pieces: Iterable[bytes]) -> None:
        self.failure: BaseException | None = None
        self._pipe = pipe
        self._pieces = pieces
        self._is_read = threading.Event()
        self._stopped = False
        # Does not wait for a reader: we are one, and so no write fails when the other one ends before its time.
        self._end = os.open(pipe.path, os.O_WRONLY | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._write, name="fill-pipe", daemon=True)
        self._thread.start()

    def is_read(self) -> None:
        """Somebody has opened the other end. Before that the last writer must not leave: nobody could open it then."""
        self._is_read.set()

    def end(self) -> None:
        """The reader has ended. What it left is thrown away."""
        self._stopped = True
        self.is_read()
        while self._thread.is_alive():
            self._pipe.clear()
            self._thread.join(_PAUSE_SECONDS)

    def _write(self) -> None:
        try:
            for piece in self._pieces:
                view = memoryview(piece)
                while view and not self._stopped:
                    view = view[os.write(self._end, view) :]
                if self._stopped:
                    return
        except BaseException as exc:  # noqa: BLE001 - it is raised by who waits for the end
            self.failure = exc
        finally:
            self._is_read.wait()
            os.close(self._end)


def sweep() -> None:
    """Remove the folders of processes that are dead, as kill -9 leaves them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        process = folder.name.removeprefix(_PREFIX).partition("-")[0]
        dead = process.isdigit() and not Path("/proc", process).exists()
        if dead and not (folder / _KEPT).exists():
            # Another user's cannot be removed, and is theirs to sweep.
            shutil.rmtree(folder, ignore_errors=True)


def forget(mounted: Iterable[str]) -> None:
    """Remove the folders that `Pipe.leave` left, of a container that had these paths mounted and is gone."""
    paths = set(mounted)
    # What is removed is one of ours, whatever an engine names.
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        if str(folder / "pipe") in paths and (folder / _KEPT).exists():
            shutil.rmtree(folder, ignore_errors=True)


def probe() -> str:
    """A script that prints the machine's mark if the pipe may be read and written."""
    return f'[ ! -p {INSIDE} ] || [ ! -r {INSIDE} ] || [ ! -w {INSIDE} ] || {{ read -r b <{_BOOT}; echo "$b"; }} 2>/dev/null'


def is_this_machine(said: bytes) -> bool:
    """Whether what `probe` printed is the mark of our own kernel: between two of them no pipe goes."""
    try:
        return said.strip() == _BOOT.read_bytes().strip() != b""
    except OSError:
        return False
