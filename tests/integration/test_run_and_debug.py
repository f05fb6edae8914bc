"""`pybuild run`, `--on-failure` and `pybuild debug` on a real engine and, where they want one, a real terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pybuild.platform import ownership, volumes
from pybuild.platform.volumes import KEPT_PREFIX
from support.cli import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from support.cli import Lab

pytestmark = pytest.mark.docker

PROCESSES = """\
cat > "$1/launch.toml" <<'TOML'
[[processes]]
type = "web"
command = ["/bin/sh", "-c", "trap 'echo ended; exit 0' TERM; echo at $PORT; while :; do /bin/sleep 0.1; done"]
default = true
[[processes]]
type = "show"
command = ["/bin/sh", "-c", "echo out: $GREETING $1; /bin/cat $SERVICE_BINDING_ROOT/db/password; echo err >&2; exit 3", "sh"]
TOML"""
FAILS = """\
echo "version $(cat /workspace/file.txt) with $GREETING"; mkdir -p "$1/half"; [ -f "$3" ] && echo "a plan is there"
exit 7"""


@pytest.fixture
def app(lab: Lab) -> Lab:
    """A lab with an image that has the processes `web` and `show`."""
    outcome = lab.build("--buildpack", lab.buildpack(build=PROCESSES))
    assert outcome.code == 0, outcome.text()
    return lab


def running(engine: docker.APIClient, lab: Lab) -> list[str]:
    found = engine.containers(all=True, filters={"label": f"{ownership.KIND}=run"})
    return [item["Id"] for item in found if item["Labels"][ownership.IMAGE].startswith(lab.prefix)]


def test_an_app_runs_until_ctrl_c_and_nothing_of_it_is_left(app: Lab, engine: docker.APIClient) -> None:
    started = app.start("run", app.name())
    started.wait_for("(Ctrl-C stops it)")
    port = int(re.findall(r"http://localhost:(\d+)", started.stderr)[0])
    (container,) = running(engine, app)
    until = time.monotonic() + 20
    while b"at 8080" not in engine.logs(container) and time.monotonic() < until:
        time.sleep(0.05)
    bound = engine.inspect_container(container)["HostConfig"]["PortBindings"]

    outcome = started.stop(signal.SIGINT)

    assert bound == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    assert outcome.code == 130
    assert outcome.stdout == "at 8080\nended\n"
    assert "Stopping…\n" in outcome.stderr
    assert running(engine, app) == []


def test_a_process_gets_its_words_variables_and_bindings_and_its_exit_code_is_ours(
    app: Lab, engine: docker.APIClient, tmp_path: Path
) -> None:
    binding = tmp_path / "binding"
    binding.mkdir()
    (binding / "type").write_text("mysql")
    (binding / "password").write_text("a password\n")

    outcome = app.run(
        *("run", app.name(), "show", "--env", "GREETING", "--binding", f"db={binding}", "--", "a word"),
        GREETING="hello",
    )

    assert (outcome.code, outcome.stdout) == (3, "out: hello a word\na password\n")
    assert outcome.stderr == "err\n"
    assert running(engine, app) == []


def test_two_apps_run_side_by_side_and_a_chosen_port_that_is_taken_is_told(app: Lab) -> None:
    first, second = (app.start("run", app.name()) for _ in range(2))
    for started in (first, second):
        started.wait_for("(Ctrl-C stops it)")
    ports = [re.findall(r"http://localhost:(\d+)", each.stderr)[0] for each in (first, second)]
    taken = app.run("run", app.name(), "--port", f"{ports[0]}:8080")
    ended = [each.stop(signal.SIGTERM).code for each in (first, second)]

    assert len(set(ports)) == 2
    taken.failed(3, f"the port 127.0.0.1:{ports[0]} is taken")
    assert ended == [143, 143]


def test_it_is_told_when_the_app_answers(lab: Lab) -> None:
    (lab.app / "page").write_text("hello")
    serve = 'printf \'[[processes]]\\ntype = "web"\\ncommand = ["/bin/sleep", "60"]\\n\' > "$1/launch.toml"'
    lab.build("--buildpack", lab.buildpack(build=serve))

    started = lab.start("run", lab.name())
    started.wait_for("(Ctrl-C stops it)")
    time.sleep(1)
    silent = started.stderr
    started.stop(signal.SIGINT)

    assert "answers" not in silent


def test_what_cannot_be_run_is_told(app: Lab) -> None:
    app.run("run", app.name("other")).failed(3, "there is no image", "other:latest")
    app.run("run", app.name(), "worker").failed(3, "has no process 'worker': it has show, web")


@pytest.fixture
def failing(lab: Lab, engine: docker.APIClient) -> Iterator[Lab]:
    """A lab whose failed builds are removed."""
    yield lab
    for item in engine.containers(all=True, filters={"name": KEPT_PREFIX}):
        if item["Labels"][ownership.IMAGE].startswith(lab.prefix):
            engine.remove_container(item["Id"], force=True)


def kept(engine: docker.APIClient, lab: Lab) -> list[str]:
    found = engine.containers(all=True, filters={"name": KEPT_PREFIX})
    return [item["Id"] for item in found if item["Labels"][ownership.IMAGE].startswith(lab.prefix)]


def pipes_of(lab: Lab) -> int:
    return len(list(lab.tmp.glob("pybuild-pipe-*")))


def test_a_failed_build_is_kept_entered_and_removed(failing: Lab, engine: docker.APIClient) -> None:
    words = (
        "--buildpack",
        failing.buildpack(build=FAILS),
        "--env",
        "GREETING=it's me",
        "--on-failure",
        "keep",
    )

    failed, other = failing.build(*words), failing.build(*words, name="other")
    assert len(kept(engine, failing)) == 2
    shown = failing.run(
        *("debug", failing.name(), "--", "sh", "-c", 'echo "$GREETING in $PWD"; ls "$CNB_LAYERS_DIR"; id -u')
    )
    again = failing.run("debug", failing.name(), "--", "/tmp/again")
    shell = failing.run("debug", failing.name())
    pipes = pipes_of(failing)
    removed = failing.run("debug", failing.name(), "--rm")
    left, pipes_left = kept(engine, failing), pipes_of(failing)
    rebuilt = failing.build("--buildpack", failing.buildpack(), name="other")

    failed.failed(51, "bin/build of acme/bp@1 failed with exit code 7")
    assert "The failed build is kept; look into it: pybuild debug" in failed.stderr
    assert other.code == 51
    assert (shown.code, shown.stdout) == (0, "it's me in /workspace\nhalf\n1000\n")
    assert again.code == 7
    assert "with it's me\na plan is there\n" in again.stdout
    shell.failed(3, "a shell needs a terminal")
    assert (removed.code, len(left)) == (0, 1)
    assert rebuilt.code == 0
    assert kept(engine, failing) == []
    # The engine cannot copy out of a container whose pipe is gone, and so that stays for as long.
    assert (pipes, pipes_left, pipes_of(failing)) == (2, 1, 0)
    failing.run("debug", failing.name()).failed(3, "no failed build of", "was kept")


def test_an_old_failure_goes_with_old_caches(failing: Lab, engine: docker.APIClient, tmp_path: Path) -> None:
    failing.build("--buildpack", failing.buildpack(build=FAILS), "--on-failure", "keep")
    before = kept(engine, failing)

    volumes.prune(engine, tmp_path, unused_seconds=1e12, now=0)
    young = kept(engine, failing)
    volumes._remove_kept(only_of(engine, failing), 0)

    assert (len(before), young) == (1, before)
    assert kept(engine, failing) == []


def only_of(engine: docker.APIClient, lab: Lab) -> docker.APIClient:
    """The engine, on which failed builds of others do not show."""
    ours = set(kept(engine, lab))

    class Ours(type(engine)):  # type: ignore[misc]
        def containers(self, *args: object, **words: object) -> object:
            return [item for item in super().containers(*args, **words) if item["Id"] in ours]

    seen = object.__new__(Ours)
    seen.__dict__.update(engine.__dict__)
    return seen


def test_a_terminal_gets_a_shell_in_the_failed_build(failing: Lab, engine: docker.APIClient) -> None:
    words = failing.build_words(
        "--buildpack", failing.buildpack(build=FAILS), "--env", "GREETING=hi", "--on-failure", "shell"
    )

    code, shown = _typed(failing, words, "echo $GREETING-$((6*7)); exit\n", after="failed build:")

    assert "hi-42" in shown
    assert "bin/build of acme/bp@1 failed with exit code 7" in shown
    assert code == 51
    assert failing.leftovers() == []


def test_a_build_that_is_stopped_says_so_as_an_event(lab: Lab) -> None:
    started = lab.start_build(
        "--buildpack", lab.buildpack(build="touch /marks/begun; exec sleep 60"), "--log-format", "json"
    )
    started.wait_for_file(lab.marks / "begun")

    outcome = started.stop(signal.SIGINT)

    last = json.loads(outcome.stderr.splitlines()[-1])
    assert (outcome.code, last["event"], last["exit_code"]) == (130, "failed", 130)
    assert lab.leftovers() == []


def test_a_shell_without_a_terminal_is_refused_before_the_build(failing: Lab) -> None:
    outcome = failing.build("--buildpack", failing.buildpack(build=FAILS), "--on-failure", "shell")

    outcome.failed(3, "--on-failure shell needs a terminal")
    assert "BUILDING" not in outcome.stderr


def _typed(lab: Lab, words: list[str], text: str, *, after: str) -> tuple[int, str]:
    """Run pybuild on a terminal of its own, and type `text` once it shows `after`; exit code and all that it shows."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(lab.app)
        os.execve(sys.executable, [sys.executable, "-c", PROGRAM, *words], dict(lab.environ))
    shown, until = b"", time.monotonic() + 60
    while time.monotonic() < until:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # how Linux tells that nobody writes there any more
            break
        if not data:
            break
        shown += data
        if text and after.encode() in shown:
            os.write(terminal, text.encode())
            text = ""
    status = os.waitpid(process, 0)[1]
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")
