"""How apps are started: the scripts run in bash here as they do in an image."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from pybuild.libcnb import start
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.launch import Process
from pybuild.libcnb.layers import Layer, Layers, Types

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    return Layer(name="conf", path=tmp_path / "conf", types=Types(launch=True, build=True))


def started(layer: Layer, command: tuple[str, ...]) -> subprocess.Popen[str]:
    """The process, in a session of its own as in a container; it has said its first line."""
    process = subprocess.Popen(
        command,
        env={"PATH": f"{layer.path}/bin:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_program_without_handlers_ends_when_it_is_told_to(layer: Layer, number: int) -> None:
    with started(layer, start.supervised(layer, "bash", "-c", "echo ready; exec sleep 600")) as process:
        process.send_signal(number)

        assert process.wait(5) == 128 + signal.SIGTERM


def test_a_program_may_take_its_time_and_its_status_counts(layer: Layer) -> None:
    script = "trap 'sleep 0.3; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    with started(layer, start.supervised(layer, "bash", "-c", script)) as process:
        process.terminate()

        assert process.wait(5) == 7


def test_other_signals_reach_the_program_and_it_goes_on(layer: Layer) -> None:
    script = "trap 'echo hup' HUP; trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    with started(layer, start.supervised(layer, "bash", "-c", script)) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGHUP)
        said = process.stdout.readline()
        process.terminate()

        assert (said, process.wait(5)) == ("hup\n", 3)


def test_a_line_of_shell_ends_with_all_that_it_started(layer: Layer) -> None:
    with started(layer, start.shell(layer, "echo ready; sleep 600; echo never")) as process:
        process.terminate()

        assert process.wait(5) == 128 + signal.SIGTERM
        assert process.stdout is not None
        # Ends only when nobody has the pipe open any more.
        assert process.stdout.read() == ""


@pytest.mark.parametrize(
    "line", ["node server.js", "./run --port $PORT > /tmp/log", 'echo "two words"', "executable"]
)
def test_a_simple_line_replaces_its_shell(layer: Layer, line: str) -> None:
    assert start.shell(layer, line) == ("pybuild-init", "bash", "-c", f"exec {line}")


@pytest.mark.parametrize(
    "line", ["a; b", "a && b", "a | b", "A=1 b", "cd x", "exec a", "if true", "(a)", "echo $(b)"]
)
def test_a_line_that_needs_a_shell_keeps_it(layer: Layer, line: str) -> None:
    assert start.shell(layer, line) == ("pybuild-init", "-g", "bash", "-c", line)


@pytest.mark.parametrize(
    "line",
    ["echo ready; sleep 600; true", "(echo ready; sleep 600) | cat", "trap '' HUP; echo ready; sleep 600"],
)
def test_every_line_ends_on_sigterm(layer: Layer, line: str) -> None:
    with started(layer, start.shell(layer, line)) as process:
        process.terminate()

        assert process.wait(5) == 128 + signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


def test_a_handler_in_the_line_has_the_last_word(layer: Layer) -> None:
    line = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    with started(layer, start.shell(layer, line)) as process:
        process.terminate()
        said, _ = process.communicate(timeout=60)

        assert (said, process.returncode) == ("bye\n", 3)


@pytest.mark.parametrize("line", ["true; exit 7", "bash -c 'exit 7' || exit 7", "A=7; exit $A"])
def test_a_shells_status_is_the_processs(layer: Layer, line: str) -> None:
    words = start.shell(layer, line)

    done = subprocess.run(words, env={"PATH": f"{layer.path}/bin:{os.environ['PATH']}"}, check=False)

    assert done.returncode == 7


def test_the_status_of_a_program_that_ends_by_itself_is_kept(layer: Layer) -> None:
    words = start.supervised(layer, "bash", "-c", "exit 9")

    done = subprocess.run(words, env={"PATH": f"{layer.path}/bin:{os.environ['PATH']}"}, check=False)

    assert done.returncode == 9


def exec_d(layer: Layer, **environ: str) -> tuple[int, dict[str, str], str]:
    """What the exec.d program ends with, sets and says."""
    read, write = os.pipe()
    program = str(layer.path / "exec.d/pybuild-web")
    with os.fdopen(read) as stream:
        # The program writes to descriptor 3.
        done = subprocess.run(
            ["bash", "-c", f'exec 3>&{write}; exec "$0"', program],
            env={"PATH": os.environ["PATH"], **environ},
            pass_fds=[write],
            capture_output=True,
            text=True,
            check=False,
        )
        os.close(write)
        pairs = (line.split(" = ", 1) for line in stream.read().splitlines())
        return done.returncode, {name: value.strip('"') for name, value in pairs}, done.stderr


def test_the_port_is_8080_unless_it_is_set(layer: Layer) -> None:
    start.web(layer)

    assert exec_d(layer) == (0, {"PORT": "8080"}, "")
    assert exec_d(layer, PORT="0080")[1] == {"PORT": "80"}


@pytest.mark.parametrize("port", ["abc", "0", "65536", "8080;ls", "-1", " "])
def test_what_is_no_port_is_refused(layer: Layer, port: str) -> None:
    start.web(layer)

    assert exec_d(layer, PORT=port) == (
        2,
        {},
        f"error: PORT must be a number from 1 to 65535, got '{port}'\n",
    )


def test_workers_fit_into_the_memory(layer: Layer) -> None:
    start.web(layer, worker_memory=1)
    many = exec_d(layer)[1]["WEB_CONCURRENCY"]
    few = exec_d(layer, WEB_MEMORY="999999")[1]["WEB_CONCURRENCY"]

    assert 3 <= int(many) <= len(os.sched_getaffinity(0)) * 2 + 1
    assert few == "1"


def test_a_number_of_workers_that_is_set_is_kept_if_it_is_one(layer: Layer) -> None:
    start.web(layer, worker_memory=256)

    assert exec_d(layer, WEB_CONCURRENCY="4") == (0, {"PORT": "8080"}, "")
    assert exec_d(layer, WEB_CONCURRENCY="many")[0] == 2


def context(tmp_path: Path, procfile: str | None) -> BuildContext:
    app = tmp_path / "app"
    app.mkdir()
    if procfile is not None:
        (app / "Procfile").write_text(procfile)
    return BuildContext(
        app=app,
        buildpack=tmp_path,
        platform=tmp_path,
        layers=Layers(tmp_path / "layers"),
        plan=(),
        store={},
        target=Target(),
        exec_env="production",
        environ={},
        version="1",
    )


@pytest.mark.parametrize(
    ("procfile", "kept"),
    [
        (None, {"web": True, "worker": False}),
        ("# web: no\n", {"web": True, "worker": False}),
        ("worker: ./work\n", {"web": True}),
        ("web: ./serve\nrelease: ./migrate\n", {"worker": False}),
        ("other: x\n web : y", {"worker": False}),
    ],
)
def test_processes_that_the_procfile_names_are_left_out(
    tmp_path: Path, procfile: str | None, kept: dict[str, bool]
) -> None:
    ours = (
        Process(type="web", command=("a",), default=True),
        Process(type="worker", command=("b",)),
    )

    found = start.beside_procfile(context(tmp_path, procfile), ours)

    assert {process.type: process.default for process in found} == kept


def test_the_init_is_quick(layer: Layer) -> None:
    words = start.supervised(layer, "true")
    begun = time.monotonic()

    subprocess.run(words, env={"PATH": f"{layer.path}/bin:{os.environ['PATH']}"}, check=True)

    assert time.monotonic() - begun < 1
