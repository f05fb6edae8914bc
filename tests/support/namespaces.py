"""A network and mounts of a test's own, for engines that must not meet the one that is used beside them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO

PROGRAMS = ("unshare", "nsenter", "ip", "mount")


class CannotRun(Exception):
    """This machine does not let us run a further engine, and why."""


class Space:
    """A network namespace with nothing but its loopback, and a mount namespace. They end with `close`."""

    def __init__(self, log: IO[bytes]) -> None:
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing or os.geteuid() != 0:
            raise CannotRun(f"an engine of its own needs root and {', '.join(missing or PROGRAMS)}")
        # Namespaces last as long as a process in them: this one, which ends with its standard input.
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"\n":
            raise CannotRun("this machine does not allow namespaces (unshare --net --mount)")
        self.run("ip", "link", "set", "lo", "up")

    def entering(self, *command: str) -> list[str]:
        """The command that runs `command` among these mounts and in this network."""
        return ["nsenter", "--target", str(self._holder.pid), "--net", "--mount", "--", *command]

    def run(self, *command: str) -> str:
        """Run a command there; returns what it prints. `CannotRun` when it fails."""
        done = subprocess.run(self.entering(*command), capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotRun(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def path(self, path: Path) -> Path:
        """Where we see what is at `path` there."""
        return Path(f"/proc/{self._holder.pid}/root{path}")

    def close(self) -> None:
        """End every process in it; the mounts go with the last of them."""
        space = mounts_of(self._holder.pid)
        self._holder.communicate()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and mounts_of(int(folder.name)) == space:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(folder.name), signal.SIGKILL)


def mounts_of(process: int) -> str:
    """The mount namespace of a process; "" when it has ended."""
    try:
        return str(Path(f"/proc/{process}/ns/mnt").readlink())
    except OSError:
        return ""
