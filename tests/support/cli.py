"""`pybuild` as users run it: a process of its own, its exit code and output as one text, a tiny builder for fast builds."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild import engine as door
from pybuild.oci.reference import Reference
from pybuild.platform import ownership, volumes
from pybuild.platform.builders import builder_image
from pybuild.spec.order import ModuleRef
from pybuild.spec.run_image import RunImageName
from pybuild.stores.daemon import DaemonStore
from support.buildpacks import Folders
from support.engine import UID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import docker


SOURCE = Path(__file__).parents[2] / "src"
PROGRAM = "import sys; from pybuild.cli.start import pybuild; sys.argv[0] = 'pybuild'; pybuild()"
PATIENCE = 120.0
"""Seconds until a test gives up on something that a quiet machine does in a moment."""
INHERITED = (
    "PATH",
    "LANG",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
)

_FILTERS = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"[0-9a-f]{64}", "DIGEST"),
    (r"(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])", "ID"),
    (r"pybuild-test-[0-9a-f]{8}(-[0-9a-f]{6})?", "RUN"),
    (r"\d+ min \d\d s|\d+(\.\d)? s\b", "TIME"),
    (r"\d+(\.\d)? (B|kB|MB|GB)\b", "SIZE"),
)


@dataclass(frozen=True)
class Outcome:
    """What a command came to. `seconds` of wall time."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    def text(self, replace: Mapping[str, str] | None = None) -> str:
        """Exit code, standard output and error in one block; times, sizes, ids and `replace`d texts filtered."""
        shown = f"exit {self.code}\n"
        for name, content in (("stdout", self.stdout), ("stderr", self.stderr)):
            if content:
                shown += f"--- {name}\n{content}"
        for what, word in sorted((replace or {}).items(), key=lambda item: -len(item[0])):
            shown = shown.replace(what, word)
        for pattern, word in _FILTERS:
            shown = re.sub(pattern, word, shown)
        return shown

    @property
    def errors(self) -> list[str]:
        """The lines that tell of an error."""
        return [line for line in self.stderr.splitlines() if line.startswith("ERROR: ")]

    def failed(self, code: int, *words: str) -> None:
        """Assert that it ended with one error of this exit code, all `words` in its line, and a hint after it."""
        told = f"{self.text()}\nexpected exit {code}"
        assert self.code == code, told
        assert len(self.errors) == 1, told
        for word in words:
            assert word in self.errors[0], told
        after = self.stderr[self.stderr.index(self.errors[0]) :].splitlines()
        assert len(after) == 2, told
        assert re.match(r"  hint: \S", after[1]), told
        assert "Traceback" not in self.stderr, told


def _peak(process: int) -> int:
    """The most bytes that a process has had in memory so far; 0 when it has ended."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) << 10 if found else 0


def _catches(process: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for this signal."""
    with contextlib.suppress(OSError):
        found = re.search(r"SigCgt:\s+([0-9a-f]+)", Path(f"/proc/{process}/status").read_text())
        return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)
    return False


class Running:
    """A command under way; its output is read from files, so that it never waits for us."""

    def __init__(
        self,
        args: Sequence[str],
        *,
        cwd: Path,
        environ: Mapping[str, str],
        log: Path,
        before: Sequence[str] = (),
    ) -> None:
        self._stdout, self._stderr = log.with_suffix(".out"), log.with_suffix(".err")
        self._began = time.monotonic()
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-c", PROGRAM, *args],
                cwd=cwd,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def peak_memory(self) -> int:
        """Wait for its end; the most bytes that it has had in memory.

        Asked of the process itself: what wait4 tells counts ours too, of which that one was a copy at first.
        """
        peak = 0
        while self.process.poll() is None:
            peak = max(peak, _peak(self.process.pid))
            time.sleep(0.02)
        return peak

    def wait_for(self, text: str, *, seconds: float = PATIENCE) -> None:
        """Return as soon as standard error has `text`."""
        until = time.monotonic() + seconds
        while text not in self.stderr:
            assert self.process.poll() is None, f"ended before it wrote {text!r}:\n{self.stderr}"
            assert time.monotonic() < until, f"did not write {text!r} in {seconds} s:\n{self.stderr}"
            time.sleep(0.01)

    def wait_for_file(self, path: Path, *, seconds: float = PATIENCE) -> None:
        """Return as soon as there is such a file."""
        until = time.monotonic() + seconds
        while not path.exists():
            assert self.process.poll() is None, f"ended before it made {path}:\n{self.stderr}"
            assert time.monotonic() < until, f"did not make {path} in {seconds} s:\n{self.stderr}"
            time.sleep(0.01)

    def wait_for_handlers(self, *, seconds: float = PATIENCE) -> None:
        """Return as soon as it has taken signals into its own hands, which is before it does anything else."""
        until = time.monotonic() + seconds
        while not _catches(self.process.pid, signal.SIGTERM):
            assert self.process.poll() is None, f"ended at its start:\n{self.stderr}"
            assert time.monotonic() < until, f"has not started in {seconds} s:\n{self.stderr}"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it whatever it does, and wait for it; nothing when it has ended."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int) -> Outcome:
        """Send a signal and wait for the end; `seconds` of the outcome is the time that this took."""
        self.process.send_signal(number)
        self._began = time.monotonic()
        return self.end()

    def end(self, *, seconds: float = 2 * PATIENCE) -> Outcome:
        """Wait for the end."""
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.stderr}") from None
        took = time.monotonic() - self._began
        return Outcome(code, self._stdout.read_text("utf-8", "backslashreplace"), self.stderr, took)

    @property
    def stderr(self) -> str:
        """What it wrote to standard error so far."""
        return self._stderr.read_text("utf-8", "backslashreplace")


@dataclass
class Lab:
    """A place to build in: one app and its buildpacks in a folder, its own home, images that end with the test.

    `ended_at_once`: set by a test in which a build did, as after a second Ctrl-C.
    """

    root: Path
    engine: docker.APIClient | None
    prefix: str
    builder: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    ended_at_once: bool = False
    _started: list[Running] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.app = self.root / "app"
        self.app.mkdir()
        (self.root / "home").mkdir()
        # Markers that buildpacks leave for the test, where `--volume` shows them to both.
        self.marks = self.root / "marks"
        self.marks.mkdir()
        self.marks.chmod(0o777)
        # Of this lab alone, so that what a build leaves there is seen.
        self.tmp = self.root / "tmp"
        self.tmp.mkdir()
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.environ = {
            **inherited,
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.tmp),
            "PYTHONPATH": str(SOURCE),
            "PYTHONWARNINGS": "ignore",
            "COLUMNS": "100",
            **self.environ,
        }

    def buildpack(self, *, detect: str = "exit 0", build: str = "exit 0", name: str = "bp") -> str:
        """Write the buildpack acme/NAME; returns its folder, for `--buildpack`."""
        folders = Folders(self.root / "cnb")
        folders.buildpack(f"acme/{name}", detect=detect, build=build)
        return str(folders.buildpacks / f"acme_{name}" / "1")

    def name(self, word: str = "app") -> str:
        """An image name of this test run."""
        return f"{self.prefix}/{word}"

    def start(self, *args: str, before: Sequence[str] = (), **environ: str) -> Running:
        """`pybuild ARGS` in the folder of the app; `before`: a command that starts it, such as `setpriv`."""
        log = self.root / f"run-{next(self._numbers)}"  # several threads may start something
        started = Running(args, cwd=self.app, environ={**self.environ, **environ}, log=log, before=before)
        self._started.append(started)
        return started

    def run(self, *args: str, before: Sequence[str] = (), **environ: str) -> Outcome:
        """The same, to its end."""
        return self.start(*args, before=before, **environ).end()

    def build_words(self, *args: str, name: str = "app") -> list[str]:
        """The words of a build with the tiny builder and the markers' folder."""
        return [
            *("build", self.name(name), "--builder", self.builder, "--network", "none", "--no-color"),
            *("--volume", f"{self.marks}:/marks:rw", *args),
        ]

    def build(self, *args: str, name: str = "app", **environ: str) -> Outcome:
        """Build with the tiny builder."""
        return self.run(*self.build_words(*args, name=name), **environ)

    def start_build(self, *args: str, name: str = "app", **environ: str) -> Running:
        """The same, not waited for."""
        return self.start(*self.build_words(*args, name=name), **environ)

    def image_id(self, name: str = "app") -> str:
        """What the engine calls the image now, "" when there is none."""
        assert self.engine is not None
        found = DaemonStore(self.engine).find(Reference.parse(self.name(name)))
        return found.id if found else ""

    def output_of(self, name: str = "app") -> str:
        """Run the image; returns what it prints. It must end with 0."""
        assert self.engine is not None
        alone = self.engine.create_host_config(network_mode="none")
        made = self.engine.create_container(
            self.name(name), labels={"pybuild.test": self.prefix}, host_config=alone
        )
        try:
            self.engine.start(made)
            status = self.engine.wait(made)["StatusCode"]
            printed = self.engine.logs(made).decode()
        finally:
            self.engine.remove_container(made, force=True)
        assert status == 0, printed
        return str(printed)

    def leftovers(self, *, patience: float = PATIENCE, but: Sequence[str] = ()) -> list[str]:
        """Containers and private volumes of this lab's builds; a killed one's container has a moment to go.

        `but`: those that are not asked for.
        """
        assert self.engine is not None
        until = time.monotonic() + patience
        while True:
            containers = self.engine.containers(all=True, filters={"label": f"{ownership.KIND}=build"})
            private = self.engine.volumes(filters={"label": f"{ownership.KIND}=private"})["Volumes"] or []
            labelled = [(item.get("Id") or item.get("Name"), item.get("Labels") or {}) for item in containers]
            labelled += [(item["Name"], item.get("Labels") or {}) for item in private]
            left = [
                str(who) for who, found in labelled if found.get(ownership.IMAGE, "").startswith(self.prefix)
            ]
            left = [who for who in left if who not in but and self._is_there(who)]
            if not left or time.monotonic() > until:
                return left
            time.sleep(0.05)

    def _is_there(self, who: str) -> bool:
        """An engine that was killed, or Podman's, may go on listing a container that it no longer finds."""
        assert self.engine is not None
        look = self.engine.inspect_container if len(who) == 64 else self.engine.inspect_volume
        with contextlib.suppress(door.NotFound), door.translating("looking for what is left"):
            look(who)
            return True
        return False

    def left_files(self) -> list[str]:
        """Temporary files that builds have left. What kill -9 leaves is there until the next build.

        Not the pipe of a container that was kept: the engine copies nothing out of one that lacks a mounted path.
        """
        return sorted(path.name for path in self.tmp.iterdir() if not (path / "kept").exists())

    @property
    def was_killed(self) -> bool:
        """Whether a build here had no chance to clean up after itself."""
        return self.ended_at_once or any(
            started.process.returncode == -signal.SIGKILL for started in self._started
        )

    def caches(self) -> list[str]:
        """The cache volumes of this lab's images."""
        assert self.engine is not None
        found = self.engine.volumes(filters={"label": f"{ownership.KIND}=cache"})["Volumes"] or []
        return sorted(
            item["Name"] for item in found if item["Labels"].get(ownership.IMAGE, "").startswith(self.prefix)
        )

    def close(self) -> None:
        """End what a failed test has left running, and remove images and caches of this lab; nothing is left."""
        for started in self._started:
            started.kill()
        if self.engine is None:
            return
        left = self.leftovers()
        for image in self.engine.images(name=f"{self.prefix}/*"):
            for tag in image["RepoTags"] or []:
                self.engine.remove_image(tag, force=True)
        volumes.remove(self.engine, self.caches(), self.root)
        assert left == []
        assert self.was_killed or self.left_files() == []

    @property
    def state(self) -> Path:
        """Where its builds remember their caches."""
        return self.root / "home" / ".local" / "state" / "pybuild"


def result(outcome: Outcome) -> dict[str, object]:
    """What a build with `--json` printed."""
    assert outcome.code == 0, outcome.text()
    found = json.loads(outcome.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def words_lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab without an engine: for what is refused before one is asked."""
    found = Lab(
        root=tmp_path, engine=None, prefix="acme", environ={"DOCKER_HOST": "unix:///nope/docker.sock"}
    )
    yield found
    found.close()


@pytest.fixture(scope="session")
def tiny_builder(engine: docker.APIClient, gnu_image: str, test_run: str) -> Iterator[str]:
    """A builder of sh and coreutils, without buildpacks: tests bring theirs with `--buildpack`."""
    yield from builder_of(engine, gnu_image, f"{test_run}/builder:1")


def builder_of(engine: docker.APIClient, base_name: str, name: str) -> Iterator[str]:
    """Make a builder without buildpacks of a base image, which is its run image too; it goes when the generator ends."""
    base = DaemonStore(engine).find(Reference.parse(base_name))
    assert base is not None
    config = dict(base.config)
    config["config"] = {"Env": [f"CNB_USER_ID={UID}", f"CNB_GROUP_ID={UID}", "PATH=/bin"]}
    definition = builder_image.Definition(
        description="",
        modules=(),
        order=((ModuleRef(id="acme/none", version="1"),),),
        run_images=(RunImageName(image=base_name),),
        files={},
        labels={},
    )
    with_user = type(base)(
        id=base.id,
        config=config,
        diff_ids=base.diff_ids,
        labels=base.labels,
        names=base.names,
        size=base.size,
    )
    builder_image.create(DaemonStore(engine), with_user, definition, Reference.parse(name))
    yield name
    engine.remove_image(name, force=True)


@pytest.fixture
def lab(tmp_path: Path, engine: docker.APIClient, tiny_builder: str, test_run: str) -> Iterator[Lab]:
    """A lab with an engine and the tiny builder; nothing of it is left after the test."""
    found = Lab(
        root=tmp_path, engine=engine, prefix=f"{test_run}-{secrets.token_hex(3)}", builder=tiny_builder
    )
    (found.app / "file.txt").write_text("an app\n")
    yield found
    found.close()
