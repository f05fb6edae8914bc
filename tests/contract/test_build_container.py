"""What only a container promises: nothing to gain inside, nothing left behind, one build per cache."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild import engine as door
from pybuild import events
from pybuild.buildenv.api import Command
from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.buildenv.container_spec import make_container
from pybuild.errors import BuildError, BuilderUnusable, EngineUnavailable, InvalidInput, TimedOut
from pybuild.platform import ownership, volumes
from support.engine import LABEL, leftovers, spec_for
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("no_leftovers")]


class _SignalError(BaseException):
    """A signal came."""


def sh(text: str) -> Command:
    return Command(argv=("/bin/sh", "-c", text), environ={"PATH": "/usr/bin:/bin"}, cwd="/")


def output_of(env: ContainerBuildEnv, text: str) -> str:
    written: list[bytes] = []
    env.run(sh(text), written.append)
    return b"".join(written).decode()


def await_gone(engine: docker.APIClient, test_run: str, *, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while leftovers(engine, test_run) and time.monotonic() < until:
        time.sleep(0.1)
    assert leftovers(engine, test_run) == []


class TestSecurity:
    def test_a_program_has_no_capabilities_no_groups_and_cannot_gain_privileges(
        self, container: Callable[..., ContainerBuildEnv]
    ) -> None:
        """S-23"""
        status = dict(
            line.split(":\t", 1)
            for line in output_of(container(), "cat /proc/self/status").splitlines()
            if ":\t" in line
        )

        assert {status[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
            ""
        }
        assert status["NoNewPrivs"] == "1"
        assert status["Groups"].split() in ([], ["1000"])
        assert status["Uid"].split() == status["Gid"].split() == ["1000"] * 4

    def test_there_is_no_engine_socket_and_no_secret_of_ours(
        self, container: Callable[..., ContainerBuildEnv], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """S-23, S-24"""
        monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")
        env = container()

        seen = output_of(env, "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline")

        assert "LC_ALL=C" in seen
        assert "s3cret" not in seen
        assert env._session is not None
        assert env._session._key not in seen
        assert output_of(env, "find / -name '*.sock' 2>/dev/null") == ""

    def test_limits_are_set_where_asked_for(
        self, container: Callable[..., ContainerBuildEnv], engine: docker.APIClient
    ) -> None:
        env = container(memory=64 << 20, cpus=0.5, processes=50, tmpfs={"/scratch": ""})

        host = engine.inspect_container(env.container)["HostConfig"]

        assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 << 20, 500_000_000, 50)
        assert (host["NetworkMode"], host["CapDrop"], host["SecurityOpt"]) == (
            "none",
            ["ALL"],
            ["no-new-privileges"],
        )
        assert "tmpfs" in output_of(env, "cat /proc/mounts | while read -r a b c; do echo $b $c; done")

    def test_writing_to_the_control_channel_is_noticed(
        self, container: Callable[..., ContainerBuildEnv]
    ) -> None:
        """S-20"""
        env = container()

        with pytest.raises(BuildError, match="interfered"):
            env.run(sh("echo 'x 1 y' >/proc/1/fd/0; sleep 900"), lambda _: None)

    def test_reading_from_the_control_channel_is_over_before_the_next_message(
        self, container: Callable[..., ContainerBuildEnv]
    ) -> None:
        env = container()

        output_of(
            env, "setsid cat </proc/1/fd/0 >/dev/null 2>&1 & setsid cat </proc/1/fd/0 >/dev/null & sleep 0.2"
        )

        # A killed reader that has not quite died yet may still take what comes: then that is told, and not waited for.
        said = ""
        try:
            said = output_of(env, "echo fine")
        except BuildError as exc:
            said = str(exc)
        assert said == "fine\n" or "interfered with the build: something read from" in said

    def test_killing_everything_is_told_and_hangs_nothing(
        self, container: Callable[..., ContainerBuildEnv]
    ) -> None:
        env = container()

        with pytest.raises(BuildError, match="killed the shell"):
            env.run(sh("kill -9 -1; sleep 900"), lambda _: None)
        assert output_of(env, "echo fine") == "fine\n"

    def test_a_fork_bomb_ends_with_its_program(self, container: Callable[..., ContainerBuildEnv]) -> None:
        """F-25"""
        env = container(processes=300)

        output_of(env, "i=0; while [ $i -lt 2000 ]; do sleep 100 & i=$((i+1)); done")

        assert output_of(env, "echo fine") == "fine\n"

    def test_a_program_that_makes_its_output_non_blocking_harms_no_one_later(
        self, container: Callable[..., ContainerBuildEnv]
    ) -> None:
        env = container()

        output_of(env, "dd oflag=nonblock count=0 </dev/null 2>/dev/null; sleep 0.1")
        size = 0

        def slowly(chunk: bytes) -> None:
            nonlocal size
            size += len(chunk)
            time.sleep(0.01)

        assert env.run(sh("head -c 20000000 /dev/zero"), slowly) == 0
        assert size == 20_000_000


class TestOutput:
    def test_200_mb_pass_in_flat_memory(self, container: Callable[..., ContainerBuildEnv]) -> None:
        """F-26"""
        env = container()
        env.start()
        total = 0

        def count(chunk: bytes) -> None:
            nonlocal total
            total += len(chunk)

        before = _peak_memory()
        env.run(sh("yes 0123456789 | head -c 200000000"), count)

        assert total == 200_000_000
        assert _peak_memory() - before < 20 << 20

    def test_a_script_that_never_stops_writing_is_stopped(
        self, container: Callable[..., ContainerBuildEnv]
    ) -> None:
        env = container()

        with pytest.raises(BuildError, match="more than"):
            env.script("yes")
        assert env.script("echo fine") == b"fine\n"

    def test_a_quiet_program_is_waited_for(self, container: Callable[..., ContainerBuildEnv]) -> None:
        assert output_of(container(), "sleep 7; echo end") == "end\n"


class TestEnds:
    def test_the_deadline_ends_a_hanging_program(self, container: Callable[..., ContainerBuildEnv]) -> None:
        """F-25"""
        env = container()
        env.start()
        env.deadline = time.monotonic() + 0.5

        with pytest.raises(TimedOut, match="/bin/sh took longer"):
            env.run(sh("sleep 900"), lambda _: None)
        assert time.monotonic() - env.deadline < allowed(2)

    def test_ctrl_c_ends_everything_at_once(
        self, engine: docker.APIClient, tiny_image: str, test_run: str
    ) -> None:
        """F-20"""
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()

        def build() -> None:
            with ContainerBuildEnv.create(engine, spec_for(tiny_image, test_run)) as env:
                env.run(sh("sleep 900"), lambda _: None)

        before = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            build()
        assert time.monotonic() - before < allowed(3)
        assert leftovers(engine, test_run) == []

    def test_a_signal_while_the_container_is_being_made_leaves_none(
        self, engine: docker.APIClient, tiny_image: str, test_run: str
    ) -> None:
        """F-20, G1: the engine makes it all the same, whether or not somebody still waits for its answer."""
        come = 0

        def stop(number: int, frame: object) -> None:
            raise _SignalError

        before = signal.signal(signal.SIGALRM, stop)
        try:
            for milliseconds in (1, 2, 4, 8, 12, 16, 24, 32):
                signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000)
                try:
                    env = ContainerBuildEnv.create(engine, spec_for(tiny_image, test_run))
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except _SignalError:
                    come += 1
                else:
                    env.close()
        finally:
            signal.signal(signal.SIGALRM, before)

        assert come
        time.sleep(1)
        assert leftovers(engine, test_run) == []

    def test_a_signal_as_the_making_begins_leaves_no_container(
        self, engine: docker.APIClient, tiny_image: str, test_run: str
    ) -> None:
        """F-20, G1: the thread that asks for it may be on its way before its `start` has returned."""

        def stop(number: int, frame: object) -> None:
            raise _SignalError

        def strike(frame: object, event: str, arg: object) -> None:
            if not struck:
                struck.append(event)
                os.kill(os.getpid(), signal.SIGALRM)
                time.sleep(0.05)

        struck: list[str] = []
        before, interval = signal.signal(signal.SIGALRM, stop), sys.getswitchinterval()
        sys.setswitchinterval(10)  # the new thread runs on until it waits for something
        threading.settrace(strike)
        try:
            with pytest.raises(_SignalError):
                make_container(engine, spec_for(tiny_image, test_run), None)
        finally:
            threading.settrace(None)  # type: ignore[arg-type]
            sys.setswitchinterval(interval)
            signal.signal(signal.SIGALRM, before)

        assert struck
        time.sleep(1)
        assert leftovers(engine, test_run) == []

    def test_kill_9_of_us_takes_the_container_along(
        self, engine: docker.APIClient, tiny_image: str, test_run: str
    ) -> None:
        """F-18"""
        program = f"""
import sys
from pybuild import engine
from pybuild.buildenv.api import Command
from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.buildenv.container_spec import ContainerSpec
spec = ContainerSpec(image={tiny_image!r}, uid=1000, gid=1000, labels={{{LABEL!r}: {test_run!r}}})
env = ContainerBuildEnv.create(engine.connect(), spec)
command = Command(argv=("/bin/sh", "-c", "echo ready; sleep 1000"), environ={{"PATH": "/usr/bin:/bin"}}, cwd="/")
env.run(command, lambda data: print("ready", flush=True))
"""
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == b"ready\n"
            assert len(leftovers(engine, test_run)) == 1
            client.kill()

        await_gone(engine, test_run)

    def test_a_container_killed_from_outside_is_told(
        self, container: Callable[..., ContainerBuildEnv], engine: docker.APIClient
    ) -> None:
        """F-19"""
        env = container()
        env.start()
        threading.Timer(0.3, engine.kill, (env.container,)).start()

        with pytest.raises(BuildError, match="stopped from outside during /bin/sh"):
            env.run(sh("sleep 900"), lambda _: None)

    def test_closing_twice_or_when_it_is_gone_is_fine(
        self, container: Callable[..., ContainerBuildEnv], engine: docker.APIClient, test_run: str
    ) -> None:
        env = container()
        env.start()
        engine.remove_container(env.container, force=True)

        env.close()
        env.close()

        assert leftovers(engine, test_run) == []

    def test_a_container_that_was_never_started_is_removed(
        self, engine: docker.APIClient, tiny_image: str, test_run: str
    ) -> None:
        with ContainerBuildEnv.create(engine, spec_for(tiny_image, test_run)) as env:
            env.unpack("/workspace", [bytes(1024)])

        assert leftovers(engine, test_run) == []

    def test_starting_in_the_background_is_waited_for(
        self, container: Callable[..., ContainerBuildEnv]
    ) -> None:
        env = container()

        env.start_soon()

        assert env.script("echo fine") == b"fine\n"

    def test_a_missing_image_is_not_found(self, container: Callable[..., ContainerBuildEnv]) -> None:
        with pytest.raises(door.NotFound, match="No such image"):
            container(image="pybuild-test/missing:1")

    def test_an_image_without_a_shell_is_no_builder(
        self, container: Callable[..., ContainerBuildEnv], engine: docker.APIClient, test_run: str
    ) -> None:
        engine.import_image_from_data(bytes(10240), repository=f"{test_run}/empty", tag="1")
        try:
            env = container(image=f"{test_run}/empty:1")
            with pytest.raises(BuilderUnusable, match="no /bin/sh"):
                env.start()
            with pytest.raises(BuilderUnusable, match="no /bin/sh"):
                env.script(":")
            env.close()
        finally:
            engine.remove_image(f"{test_run}/empty:1", force=True)


class TestLocks:
    @pytest.fixture
    def volume(self, engine: docker.APIClient, test_run: str) -> Iterator[str]:
        name = volumes.volume_name(f"{test_run}-app", "builder")
        yield name
        for found in engine.volumes(filters={"name": name})["Volumes"] or []:
            engine.remove_volume(found["Name"])

    @staticmethod
    def open(engine: docker.APIClient, image: str, test_run: str, volume: str, **options: Any) -> Any:
        spec = spec_for(image, test_run)
        names = {"image": f"{test_run}-app", "builder": image}
        return volumes.open_build(engine, spec, volume=volume, mount="/layers", **names, **options)

    def test_what_one_build_leaves_the_next_one_finds(
        self, engine: docker.APIClient, tiny_image: str, test_run: str, volume: str
    ) -> None:
        with self.open(engine, tiny_image, test_run, volume) as first:
            first.env.script("echo kept >/layers/file")
        with self.open(engine, tiny_image, test_run, volume) as second:
            assert second.env.script("cat /layers/file") == b"kept\n"
            assert not second.private

    def test_the_second_build_waits_for_the_first(
        self, engine: docker.APIClient, tiny_image: str, test_run: str, volume: str
    ) -> None:
        """F-16, S-47"""
        heard: list[events.Event] = []
        order: list[str] = []
        entered = threading.Event()

        def first() -> None:
            with self.open(engine, tiny_image, test_run, volume) as build:
                entered.set()
                build.env.script("sleep 1")
                order.append("first")

        thread = threading.Thread(target=first)
        thread.start()
        entered.wait(10)
        with events.listening(heard.append), self.open(engine, tiny_image, test_run, volume) as build:
            order.append("second")
            assert not build.private
        thread.join()

        assert order == ["first", "second"]
        assert heard == [events.Info(f"Waiting for another build of {test_run}-app to end…")]

    def test_a_build_that_waited_too_long_takes_an_empty_cache_of_its_own(
        self, engine: docker.APIClient, tiny_image: str, test_run: str, volume: str
    ) -> None:
        with self.open(engine, tiny_image, test_run, volume) as first:
            first.env.script("echo kept >/layers/file")
            with self.open(engine, tiny_image, test_run, volume, patience=0.1) as second:
                assert second.private
                assert second.env.read_files(["/layers/*"]) == {}
                private = second.volume

        with pytest.raises(door.NotFound), door.translating("looking"):
            engine.inspect_volume(private)

    def test_what_a_dead_build_left_is_removed_and_its_lock_with_it(
        self, engine: docker.APIClient, tiny_image: str, test_run: str, volume: str
    ) -> None:
        """F-18"""
        dead = subprocess.Popen(["true"])
        dead.wait()
        labels = ownership.labels("build", image="x", builder="y") | {
            ownership.PROCESS: f"{dead.pid}/1",
            LABEL: test_run,
        }
        name = f"pybuild-{volume.removeprefix(volumes.PREFIX)}"
        ContainerBuildEnv.create(engine, spec_for(tiny_image, test_run, labels=labels, name=name))

        with self.open(engine, tiny_image, test_run, volume, patience=5) as build:
            assert not build.private

        ContainerBuildEnv.create(engine, spec_for(tiny_image, test_run, labels=labels))
        volumes.ensure(engine, f"{test_run}-private", labels | {ownership.KIND: "private"}, kind="private")
        volumes.sweep(engine)
        assert leftovers(engine, test_run) == [volume]

    def test_a_living_builds_container_and_strangers_are_never_swept(
        self, engine: docker.APIClient, container: Callable[..., ContainerBuildEnv], test_run: str
    ) -> None:
        alive = container(labels=ownership.labels("build", image="x", builder="y") | {LABEL: test_run})
        stranger = container()

        volumes.sweep(engine)

        assert {alive.container, stranger.container} <= set(leftovers(engine, test_run))

    def test_a_name_that_a_stranger_took_costs_the_cache_and_not_the_build(
        self,
        engine: docker.APIClient,
        tiny_image: str,
        test_run: str,
        volume: str,
        container: Callable[..., ContainerBuildEnv],
    ) -> None:
        container(name=f"pybuild-{volume.removeprefix(volumes.PREFIX)}")

        with self.open(engine, tiny_image, test_run, volume) as build:
            assert build.private

    def test_a_volume_that_is_not_ours_is_not_used(
        self, engine: docker.APIClient, tiny_image: str, test_run: str, volume: str
    ) -> None:
        engine.create_volume(volume)

        with (
            pytest.raises(InvalidInput, match="was not made by pybuild"),
            self.open(engine, tiny_image, test_run, volume),
        ):
            pass

    def test_caches_are_listed_and_removed(
        self, engine: docker.APIClient, tiny_image: str, test_run: str, volume: str, tmp_path: Path
    ) -> None:
        with self.open(engine, tiny_image, test_run, volume) as build:
            volumes.mark_used(tmp_path, volume)
            build.env.script("head -c 100000 /dev/zero >/layers/file")
            heard: list[events.Event] = []
            with events.listening(heard.append):
                assert volumes.remove(engine, [volume], tmp_path) == []
            assert heard == [events.Warned(f"{volume} is in use by a build and was kept")]

        found = [cache for cache in volumes.caches(engine, tmp_path) if cache.name == volume]
        assert [(cache.image, cache.builder) for cache in found] == [(f"{test_run}-app", tiny_image)]
        assert found[0].size >= 100_000
        assert abs(found[0].used - time.time()) < 60

        assert volumes.remove(engine, [volume], tmp_path) == [volume]
        assert [cache for cache in volumes.caches(engine, tmp_path) if cache.name == volume] == []


def test_an_engine_that_is_gone_is_told(container: Callable[..., ContainerBuildEnv]) -> None:
    """F-01: seen from here, a dead engine is a connection that breaks off and cannot be made again."""
    env = container()
    env.start()
    client = env._client
    assert env._session is not None

    class Gone:
        def inspect_container(self, _: str) -> None:
            raise ConnectionRefusedError(111, "Connection refused")

    env._client = Gone()  # type: ignore[assignment]
    env._session._connection.shutdown(2)
    with pytest.raises(
        EngineUnavailable, match="lost connection to the Docker Engine during /bin/sh: Connection refused"
    ):
        env.run(sh("sleep 900"), lambda _: None)
    env._client = client


def _peak_memory() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmHWM")
