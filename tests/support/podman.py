"""Podman's service as an engine of a test's own, with the socket that Docker's clients talk to."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild import engine as door
from pybuild.errors import PybuildError
from support.namespaces import CannotRun, Space

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

START_SECONDS = 60.0
# Podman wants to raise the limits of its containers. Root without that capability (some virtual machines) may not.
_SHIM = """\
#!/bin/sh
previous=
for word; do
    [ "$previous" != --bundle ] || python3 -c 'import json, sys
file = sys.argv[1] + "/config.json"
value = json.load(open(file))
value["process"].pop("rlimits", None)
json.dump(value, open(file, "w"))' "$word"
    previous=$word
done
exec {runtime} "$@"
"""
_SYS_RESOURCE = 24


class Podman:
    """One service in a folder, with images and containers of its own on a tmpfs. `close` ends all that it started."""

    def __init__(self, folder: Path, *, size: str = "400m") -> None:
        # Not crun first: it refuses a machine that has control groups of both versions.
        runtime = shutil.which("runc") or shutil.which("crun")
        if shutil.which("podman") is None or runtime is None:
            raise CannotRun("there is no podman here (apt-get install podman)")
        self.folder = folder
        self.host = f"unix://{folder}/podman.sock"
        data = folder / "data"
        data.mkdir()
        self._log = (folder / "podman.log").open("ab")
        self._space = Space(self._log)
        self._space.run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(data))
        options = ["--root", f"{data}/root", "--runroot", f"{data}/run", "--cgroup-manager", "cgroupfs"]
        self._service = subprocess.Popen(
            self._space.entering("podman", *options, "system", "service", "--time", "0", self.host),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "CONTAINERS_CONF": str(self._configure(runtime))},
            start_new_session=True,
        )
        self.client = self._connected()

    def _configure(self, runtime: str) -> Path:
        file = self.folder / "containers.conf"
        text = '[engine]\ncgroup_manager = "cgroupfs"\n'
        if not may_raise_limits():
            shim = self.folder / "shim"
            shim.write_text(_SHIM.format(runtime=runtime))
            shim.chmod(0o755)
            text += f'runtime = "shim"\n[engine.runtimes]\nshim = {json.dumps([str(shim)])}\n'
        file.write_text(text)
        return file

    def _connected(self) -> docker.APIClient:
        until = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(PybuildError):
                return door.connect({"DOCKER_HOST": self.host})
            if self._service.poll() is not None or time.monotonic() > until:
                raise CannotRun(f"podman's service did not start: {self.log()[-600:]}")
            time.sleep(0.05)

    def log(self) -> str:
        """What it wrote so far."""
        return (self.folder / "podman.log").read_text("utf-8", "backslashreplace")

    def close(self) -> None:
        """End it, and every process in its namespaces; the mounts go with the last of them."""
        if hasattr(self, "client"):
            self.client.close()
        self._service.terminate()
        self._service.wait()
        self._space.close()
        self._log.close()


def may_raise_limits() -> bool:
    """Whether this process has the capability for that."""
    status = Path("/proc/self/status").read_text()
    (held,) = (line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(held, 16) >> _SYS_RESOURCE & 1)


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """A service of this module's own; skipped with its reason where none may run."""
    # Its socket's path must be short, which pytest's folders are not.
    folder = Path(tempfile.mkdtemp(prefix="pybuild-podman-"))
    try:
        made = Podman(folder)
    except CannotRun as exc:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(str(exc))
    yield made
    made.close()
    shutil.rmtree(folder)
