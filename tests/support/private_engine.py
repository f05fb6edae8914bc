"""A Docker Engine of a test's own, to be frozen, killed and filled: it shares nothing with the one beside it.

Its network and mounts are namespaces of its own, its data a small tmpfs, its socket and pid files in one folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild import engine as door
from pybuild.errors import PybuildError
from support.namespaces import CannotRun, Space, mounts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import docker

START_SECONDS = 60.0


class PrivateEngine:
    """One engine in a folder. `start` and `kill` it as often as wanted; `close` ends all that it started."""

    def __init__(
        self,
        folder: Path,
        *,
        size: str = "400m",
        features: Mapping[str, bool] | None = None,
        programs: str = "",
        bridge: bool = False,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`size`: of the disk for its images and volumes, as tmpfs takes it; `programs`: where to find them first.

        `bridge`: its containers reach each other, and their ports can be published in its network; `environ`: of dockerd.
        """
        if shutil.which("dockerd") is None:
            raise CannotRun("there is no dockerd here")
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.host = f"unix://{folder}/docker.sock"
        (folder / "daemon.json").write_text(json.dumps({"features": dict(features or {})}))
        path = ":".join(filter(None, [programs, environ.get("PATH", "")]))
        self._environ = {**environ, "PATH": path}
        # No --iptables: ports are published by a program, docker-proxy. And without a bridge containers have no network at all.
        self._network = [*([] if bridge else ["--bridge", "none"]), "--iptables=false", "--ip6tables=false"]
        self._log = (folder / "dockerd.log").open("ab")
        self._dockerd: subprocess.Popen[bytes] | None = None
        self._client: docker.APIClient | None = None
        self.space = Space(self._log)
        self.space.run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.data))

    def start(self) -> None:
        """Start dockerd, and return when it answers."""
        self._dockerd = subprocess.Popen(
            self.space.entering(
                *("dockerd", "--host", self.host, "--data-root", str(self.data)),
                *("--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/dockerd.pid"),
                *(*self._network, "--config-file", f"{self.folder}/daemon.json"),
            ),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=self._environ,
            start_new_session=True,
        )
        until = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(PybuildError):
                self._client = door.connect({"DOCKER_HOST": self.host})
                return
            if self._dockerd.poll() is not None or time.monotonic() > until:
                raise CannotRun(f"dockerd did not start: {self.log()[-600:]}")
            time.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        """Send dockerd a signal: SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self._dockerd is not None
        self._dockerd.send_signal(number)

    def kill(self) -> None:
        """End dockerd as a crash would: its containers are still there, and nobody looks after them."""
        file = self.folder / "exec" / "containerd" / "containerd.pid"
        containerd = int(file.read_text())
        self._end(signal.SIGKILL)
        # containerd dies with it. Where nobody buries the dead its next dockerd takes it for alive.
        until = time.monotonic() + START_SECONDS
        while mounts_of(containerd) and time.monotonic() < until:
            time.sleep(0.01)
        file.unlink(missing_ok=True)

    def stop(self) -> None:
        """End dockerd as a machine that shuts down, or a package's update, does: it stops its containers first."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._dockerd is not None:
            self._dockerd.send_signal(number)
            self._dockerd.wait()
            self._dockerd = None

    @property
    def client(self) -> docker.APIClient:
        """A client of the engine as it runs now."""
        assert self._client is not None, "this engine does not run"
        return self._client

    def free(self) -> int:
        """Bytes that its disk has left."""
        found = os.statvfs(self.space.path(self.data))
        return found.f_bavail * found.f_frsize

    def used(self) -> int:
        """Bytes that are on its disk."""
        found = os.statvfs(self.space.path(self.data))
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def resources(self) -> tuple[int, int]:
        """Resident bytes and open files of dockerd and of the containerd that it started."""
        pids = (self.folder / "dockerd.pid", self.folder / "exec" / "containerd" / "containerd.pid")
        processes = [Path("/proc", file.read_text().strip()) for file in pids]
        pages = sum(int((process / "statm").read_text().split()[1]) for process in processes)
        handles = sum(len(list((process / "fd").iterdir())) for process in processes)
        return pages * os.sysconf("SC_PAGE_SIZE"), handles

    @contextlib.contextmanager
    def filled(self, *, but: int) -> Iterator[None]:
        """Have its disk full, `but` so many bytes."""
        filler = self.space.path(self.data / "filler")
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.free() - but)
        try:
            yield
        finally:
            filler.unlink()

    @contextlib.contextmanager
    def small_disk(self, folder: Path, *, size: str) -> Iterator[None]:
        """Have a folder's files on a disk of this size; after that they are as they were before."""
        aside = str(self.folder / "aside")
        self.space.run("cp", "-a", str(folder), aside)
        self.space.run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
        self.space.run("cp", "-aT", aside, str(folder))
        try:
            yield
        finally:
            self.space.run("umount", str(folder))
            shutil.rmtree(aside)

    def log(self) -> str:
        """What dockerd wrote so far."""
        return (self.folder / "dockerd.log").read_text("utf-8", "backslashreplace")

    def close(self) -> None:
        """End it, and every process in its namespaces; the mounts go with the last of them."""
        self.stop()
        self.space.close()
        self._log.close()


@pytest.fixture(scope="module")
def private_engine() -> Iterator[PrivateEngine]:
    """An engine of this module's own; skipped with its reason where none may run."""
    # Its socket's path must be short, which pytest's folders are not.
    folder = Path(tempfile.mkdtemp(prefix="pybuild-engine-"))
    made: PrivateEngine | None = None
    try:
        made = PrivateEngine(folder)
        made.start()
    except CannotRun as exc:
        if made is not None:
            made.close()
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(str(exc))
    yield made
    made.close()
    shutil.rmtree(folder)
