"""What people get wrong: each ends in one error with a hint and its own exit code, before anything has changed.

The first part needs no engine: these words are refused before one is asked. Reliability: E0, G8, G9, S-01 to S-16,
S-36, S-37, S-50, F-03, F-24, F-26 to F-28.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import (
    BuildError,
    BuilderUnusable,
    BuildpackFailed,
    DetectionFailed,
    EngineDenied,
    EngineUnavailable,
    ExportError,
    InvalidInput,
    NothingDetected,
    RegistryError,
    SourceUnusable,
    TimedOut,
    TooMuchOutput,
)
from support.buildpacks import SERVE
from support.cli import PATIENCE
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cli import Lab

V2 = '[_]\nschema-version = "0.2"\n'
INVALID = InvalidInput.exit_code
USAGE = 2

docker = pytest.mark.docker


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["UPPER"], "UPPER"),
        (["a:b:c"], "a:b:c"),
        ([""], "''"),
        (["app", "--tag", "no good"], "no good"),
        (["app@sha256:" + "0" * 64], "digest"),
        (["app", "--volume", "relative:path"], "absolute path"),
        (["app", "--volume", "nonsense"], "HOST:PATH"),
        (["app", "--volume", "data:/layers"], "/layers"),
        (["app", "--volume", "/var/run/docker.sock:/sock"], "this machine"),
        (["app", "--volume", "/:/host:rw"], "this machine"),
        (["app", "--volume", "./no/such/folder:/data"], "no/such/folder"),
        (["app", "--env", "A B=1"], "A B"),
        (["app", "--env", "=1"], "''"),
        (["app", "--env", "../../../workspace/x=v"], "../../../workspace/x"),
        (["app", "--env-file", "no.env"], "no.env"),
        (["app", "--workspace", "/cnb"], "/cnb"),
        (["app", "--workspace", "a/../../b"], "--workspace"),
        (["app", "--creation-time", "yesterday"], "yesterday"),
        (["app", "--descriptor", "no.toml"], "no.toml"),
        (["app", "--pull-policy", "sometimes"], "sometimes"),
    ],
)
def test_words_that_mean_nothing_are_refused_by_name(words_lab: Lab, words: list[str], said: str) -> None:
    """S-04, S-05, S-50, F-24."""
    words_lab.run("build", *words).failed(INVALID, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["app", "--no-such-option"], "--no-such-option"),
        (["app", "another"], "another"),
        (["--path", "."], "IMAGE"),
    ],
)
def test_options_that_do_not_exist_end_with_2_as_everywhere(
    words_lab: Lab, words: list[str], said: str
) -> None:
    words_lab.run("build", *words).failed(USAGE, said)


@pytest.mark.parametrize("word", ["detekt", "docter", "cahce", "biuld"])
def test_a_mistyped_command_builds_no_image_of_that_name(words_lab: Lab, word: str) -> None:
    words_lab.run(word).failed(USAGE, word, "did you mean")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[_", "project.toml"),
        (V2 + '[io.buildpacks]\ninclude = ["a"]\nexclude = ["b"]', "include"),
        (V2 + '[[io.buildpacks.build.env]]\nname = "../../../workspace/envslip"\nvalue = "1"', "envslip"),
        (V2 + '[[io.buildpacks.build.env]]\nname = ""\nvalue = "1"', "env"),
        (V2 + '[[io.buildpacks.build.env]]\nname = "CNB_STACK_ID"\nvalue = "1"', "CNB_STACK_ID"),
        (V2 + '[[io.buildpacks.group]]\nversion = "1"', "group"),
        (f"io = 3\n{V2}", "io"),
        ('[_]\nschema-version = "9.9"', "9.9"),
        ("a = " + "[" * 200_000, "project.toml"),
        ("a." * 20_000 + "b = 1", "project.toml"),
        ('a = "' + "x" * (2 << 20) + '"', "1 MiB"),
    ],
    ids=[
        "syntax",
        "both lists",
        "path as name",
        "no name",
        "ours",
        "no id",
        "no table",
        "version",
        "deep",
        "dotted",
        "huge",
    ],
)
def test_a_bad_project_file_is_named_with_the_key(words_lab: Lab, text: str, said: str) -> None:
    """S-04, S-06, S-16, F-28; G8: the hostile ones cost neither time nor memory."""
    (words_lab.app / "project.toml").write_text(text, "utf-8")
    (words_lab.app / "file.txt").write_text("")

    running = words_lab.start("build", "app")
    peak = running.peak_memory()
    outcome = running.end()

    outcome.failed(INVALID, said)
    assert outcome.seconds < allowed(10)
    assert peak < 120_000_000


def test_a_project_file_that_is_not_utf8_is_named(words_lab: Lab) -> None:
    """S-16."""
    (words_lab.app / "project.toml").write_bytes(b"a = '\xff\xfe'\n")

    words_lab.run("build", "app").failed(INVALID, "project.toml")


def test_a_missing_folder_is_no_app(words_lab: Lab) -> None:
    words_lab.run("build", "app", "--path", "no/such").failed(SourceUnusable.exit_code, "no/such")


def test_an_empty_folder_is_no_app(words_lab: Lab) -> None:
    words_lab.run("build", "app").failed(SourceUnusable.exit_code, "no files to build")


def test_a_file_that_is_no_archive_is_no_app(words_lab: Lab) -> None:
    (words_lab.app / "app.txt").write_text("hello")

    words_lab.run("build", "app", "--path", "app.txt").failed(SourceUnusable.exit_code, "app.txt")


@pytest.mark.parametrize(
    "entry", ["../cnb/lifecycle/creator", "../layers/analyzed.toml", "/etc/x", "a/../../b"]
)
def test_an_archive_with_an_entry_that_leaves_it_is_refused_whole(words_lab: Lab, entry: str) -> None:
    """S-01, S-02, S-03: named, and not silently put elsewhere."""
    with zipfile.ZipFile(words_lab.app / "app.zip", "w") as archive:
        archive.writestr("good.txt", "good")
        archive.writestr(entry, "bad")

    words_lab.run("build", "app", "--path", "app.zip").failed(SourceUnusable.exit_code, repr(entry))


def test_without_an_engine_the_error_says_how_to_start_one(words_lab: Lab) -> None:
    """F-03: at once."""
    (words_lab.app / "file.txt").write_text("")

    outcome = words_lab.run("build", "app")

    assert outcome.text() == (
        f"exit {EngineUnavailable.exit_code}\n"
        "--- stderr\n"
        "ERROR: there is no Docker Engine at unix:///nope/docker.sock\n"
        "  hint: start it with: sudo systemctl start docker (or set DOCKER_HOST to the engine you want)\n"
    )
    assert outcome.seconds < allowed(3)


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:1", "unix://SOCKET"])
def test_an_engine_that_refuses_connections_is_told_from_none(words_lab: Lab, host: str) -> None:
    """F-03."""
    (words_lab.app / "file.txt").write_text("")
    gone = words_lab.root / "gone.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(gone))

    outcome = words_lab.run("build", "app", DOCKER_HOST=host.replace("SOCKET", str(gone)))

    outcome.failed(EngineUnavailable.exit_code, "no Docker Engine listens")


@contextlib.contextmanager
def listening(path: Path, answer: bytes | None) -> Iterator[threading.Event]:
    """A socket that says `answer` to everybody, or nothing, and keeps the line open; set when somebody came."""
    came = threading.Event()
    kept: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listener.accept()[0])
                    came.set()
                    # Who only knocks has left when the answer comes.
                    with contextlib.suppress(BrokenPipeError):
                        if answer is not None and kept[-1].recv(65536):
                            kept[-1].sendall(answer)
                            kept[-1].close()

        threading.Thread(target=serve, daemon=True).start()
        yield came
        listener.shutdown(socket.SHUT_RDWR)
    for each in kept:
        each.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1,2]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{junk}}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}',
        b"SSH-2.0-OpenSSH_9\r\n",
    ],
    ids=["list", "junk", "no version", "ssh"],
)
def test_something_else_that_listens_is_no_engine(words_lab: Lab, answer: bytes) -> None:
    """F-03."""
    (words_lab.app / "file.txt").write_text("")
    path = words_lab.root / "engine.sock"

    with listening(path, answer):
        outcome = words_lab.run("build", "app", DOCKER_HOST=f"unix://{path}")

    outcome.failed(EngineUnavailable.exit_code, str(path))


def test_ctrl_c_ends_the_wait_for_an_engine_that_says_nothing(words_lab: Lab) -> None:
    """F-03, G2."""
    (words_lab.app / "file.txt").write_text("")
    path = words_lab.root / "engine.sock"

    with listening(path, None) as came:
        running = words_lab.start("build", "app", DOCKER_HOST=f"unix://{path}")
        assert came.wait(PATIENCE)
        outcome = running.stop(signal.SIGINT)

    outcome.failed(130, "stopped")
    assert outcome.seconds < allowed(2)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_a_user_who_may_not_use_the_socket_is_told_of_the_group(words_lab: Lab) -> None:
    """F-03. Root without its capability to pass over permissions is such a user, and can still read our sources."""
    (words_lab.app / "file.txt").write_text("")
    path = words_lab.root / "engine.sock"
    with listening(path, None):
        path.chmod(0o600)
        os.chown(path, 65534, 65534)
        outcome = words_lab.run(
            "build", "app", before=("setpriv", "--bounding-set=-dac_override"), DOCKER_HOST=f"unix://{path}"
        )

    outcome.failed(EngineDenied.exit_code, "may not use the Docker Engine", str(path))
    assert "usermod -aG docker" in outcome.stderr
    assert outcome.seconds < allowed(3)


@docker
def test_a_builder_that_nobody_has_is_named(lab: Lab) -> None:
    outcome = lab.run("build", lab.name(), "--builder", lab.name("no-builder"), "--pull-policy", "never")

    assert outcome.code != 0
    outcome.failed(outcome.code, "no-builder")


@docker
def test_an_image_that_is_no_builder_is_refused(lab: Lab, gnu_image: str) -> None:
    outcome = lab.run("build", lab.name(), "--builder", gnu_image)

    outcome.failed(BuilderUnusable.exit_code, gnu_image, "CNB_USER_ID")


@docker
def test_a_run_image_that_nobody_has_is_named(lab: Lab) -> None:
    outcome = lab.build("--run-image", lab.name("no-run"), "--pull-policy", "never")

    outcome.failed(1, "no-run")


@docker
@pytest.mark.parametrize("word", ["no/such@1", "./no/such/folder", "https://127.0.0.1:1/bp.tgz"])
def test_a_buildpack_that_is_not_there_is_named(lab: Lab, word: str) -> None:
    outcome = lab.build("--buildpack", word)

    assert outcome.code in {INVALID, BuilderUnusable.exit_code, RegistryError.exit_code}
    outcome.failed(outcome.code, word.removeprefix("./"))


@docker
@pytest.mark.parametrize("uri", ["file:///etc/passwd", "http://169.254.169.254/x", "../../etc"])
def test_a_project_file_cannot_make_us_read_elsewhere(lab: Lab, uri: str) -> None:
    """S-14."""
    (lab.app / "project.toml").write_text(f'{V2}[[io.buildpacks.group]]\nuri = "{uri}"\n')

    lab.build().failed(INVALID, uri)


@docker
def test_when_no_group_passes_a_table_says_why_and_where_an_app_may_be(lab: Lab) -> None:
    (lab.app / "web").mkdir()
    (lab.app / "web" / "composer.json").write_text("{}")
    bp = lab.buildpack(detect="echo 'no such file here'; exit 100")

    outcome = lab.build("--buildpack", bp)

    outcome.failed(NothingDetected.exit_code, "No buildpack groups passed")
    assert "acme/bp@1  failed  no such file here" in outcome.stderr
    assert f"pybuild {lab.name()} --path web" in outcome.stderr


@docker
def test_detect_shows_the_table_on_standard_output_and_makes_nothing(lab: Lab) -> None:
    bp = lab.buildpack(detect="echo 'cannot tell'; exit 3")

    outcome = lab.run("detect", "--builder", lab.builder, "--buildpack", bp)

    assert outcome.text() == (
        f"exit {DetectionFailed.exit_code}\n"
        "--- stdout\n"
        "Group 1 of 1: did not pass\n"
        "  BUILDPACK  RESULT  WHY\n"
        "  acme/bp@1  error   status 3: cannot tell\n"
        "\n"
        "--- stderr\n"
        "ERROR: No buildpack groups passed detection, and a buildpack ended with an error.\n"
        "  hint: see all that the buildpacks wrote: pybuild detect -v\n"
    )
    assert lab.caches() == []


@docker
@pytest.mark.parametrize(
    ("detect", "said"),
    [
        ("kill -9 $$", "137"),
        ("echo '[[provides' > \"$2\"", "acme/bp"),
        ('rm "$2"; mkfifo "$2"', "acme/bp"),
        ('rm "$2"; ln -s /etc/passwd "$2"', "acme/bp"),
        ("printf 'a\\377b' > \"$2\"", "acme/bp"),
    ],
    ids=["killed", "syntax", "fifo", "symlink", "not utf-8"],
)
def test_a_detect_that_misbehaves_is_an_error_of_that_buildpack(lab: Lab, detect: str, said: str) -> None:
    """S-30, F-27, F-28."""
    outcome = lab.build("--buildpack", lab.buildpack(detect=detect))

    assert outcome.code in {DetectionFailed.exit_code, 22, INVALID}, outcome.text()
    assert said in outcome.stderr
    assert len(outcome.errors) == 1


@docker
@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("exit 1", "1"),
        ("exit 255", "255"),
        ("exit 100", "100"),
        ("kill -9 $$", "SIGKILL"),
        ("kill -SEGV $$", "SIGSEGV"),
    ],
)
def test_a_build_program_that_fails_is_named_with_its_status(lab: Lab, build: str, said: str) -> None:
    """F-27, G9."""
    outcome = lab.build("--buildpack", lab.buildpack(build=build))

    outcome.failed(BuildpackFailed.exit_code, "acme/bp", said)


@docker
@pytest.mark.parametrize(
    ("build", "said"),
    [
        ('echo "[[processes" > "$1/launch.toml"', "launch.toml"),
        ('echo "processes = 3" > "$1/launch.toml"', "processes"),
        ('printf "a = \\"\\377\\"" > "$1/launch.toml"', "launch.toml"),
        ('echo "unmet = 1" > "$1/build.toml"', "build.toml"),
        ('echo "[metadata" > "$1/store.toml"', "store.toml"),
        ('mkdir "$1/x"; echo "types = 1" > "$1/x.toml"', "x.toml"),
        ('mkdir "$1/x"; echo "[types" > "$1/x.toml"', "x.toml"),
        ('mkdir "$1/x"; mkfifo "$1/x.toml"', "x.toml"),
        ('mkdir "$1/x"; ln -s /etc/passwd "$1/x.toml"', "x.toml"),
        ('mkfifo "$1/launch.toml"', "launch.toml"),
        ('ln -s /etc "$1/x"; printf "[types]\\nlaunch = true\\n" > "$1/x.toml"', "x"),
        ('head -c 3000000 /dev/zero | tr "\\0" a > "$1/store.toml"', "store.toml"),
        (
            'printf "[[processes]]\\ntype = \\"../../../tmp/evil\\"\\ncommand = [\\"a\\"]\\n" > "$1/launch.toml"',
            "evil",
        ),
        ('printf "a = %0200000d" 0 | tr 0 [ > "$1/launch.toml"', "launch.toml"),
        (
            'mkdir -p "$1/x/env.launch"; printf "[types]\\nlaunch = true\\n" > "$1/x.toml"; echo x > "$1/x/env.launch/A=B"',
            "A=B",
        ),
    ],
)
def test_a_build_program_that_writes_nonsense_is_named_with_the_file(lab: Lab, build: str, said: str) -> None:
    """S-29, S-30, S-32, S-36, S-37, F-28; nothing blocks."""
    build = build.replace('| tr "\\0" a', "").replace("| tr 0 [ ", "")

    outcome = lab.build("--buildpack", lab.buildpack(build=build))

    assert outcome.code in {BuildError.exit_code, INVALID, ExportError.exit_code}, outcome.text()
    outcome.failed(outcome.code, said, "acme")
    assert outcome.seconds < allowed(30)


@docker
def test_garbage_on_standard_output_harms_nobody_and_is_not_lost(lab: Lab) -> None:
    """F-26, S-38: invalid UTF-8, NUL, escape sequences, one line of 5 MB, no newline at the end."""
    bp = lab.buildpack(
        build=f"printf 'a\\377\\000\\033]0;title\\007b\\n'; head -c 5000000 /dev/zero; printf end\n{SERVE}"
    )

    outcome = lab.build("--buildpack", bp)

    assert outcome.code == 0, outcome.stderr[-2000:]
    assert len(outcome.stderr) > 5_000_000
    assert lab.output_of() == "an app\n"


@docker
def test_much_output_is_shown_whole_in_little_memory(lab: Lab) -> None:
    """F-26: 50 MB of it."""
    bp = lab.buildpack(build=f"yes 0123456789012345678901234567890123456789 | head -c 50000000\n{SERVE}")

    running = lab.start_build("--buildpack", bp)
    peak = running.peak_memory()

    assert running.process.returncode == 0
    assert running.stderr.count("0123456789") > 4_800_000
    assert 10_000_000 < peak < 120_000_000


@docker
def test_a_buildpack_that_shouts_without_end_is_stopped_and_told(lab: Lab) -> None:
    """F-26, G3: the image is not made, and nothing of what shouted is left."""
    bp = lab.buildpack(build="echo begins; (yes shouted &); exec yes shouted")

    outcome = lab.build("--buildpack", bp, "--log-limit", "2m")

    outcome.failed(TooMuchOutput.exit_code, "acme_bp", "bin/build was stopped", "2097152 bytes")
    assert 1_000_000 < len(outcome.stderr) < 5_000_000
    assert outcome.seconds < allowed(12)
    assert lab.leftovers() == []
    assert lab.image_id() == ""


@docker
def test_a_detect_that_shouts_without_end_is_an_error_of_its_own(lab: Lab) -> None:
    """F-26: its output waits in a file, which must not fill the engine's disk."""
    loud = lab.buildpack(detect="echo begins; exec yes shouted", name="loud")
    optional = lab.buildpack(build=SERVE, name="calm")

    outcome = lab.build("--buildpack", loud, "--buildpack", optional, "--log-limit", "2m")

    outcome.failed(DetectionFailed.exit_code)
    assert "it wrote more to its output, or into a file, than --log-limit" in outcome.stderr
    assert outcome.seconds < allowed(12)


@docker
def test_a_process_that_no_buildpack_made_cannot_be_the_default(lab: Lab) -> None:
    bp = lab.buildpack(build=SERVE)

    lab.build("--buildpack", bp, "--default-process", "worker").failed(ExportError.exit_code, "worker", "web")
    assert lab.image_id() == ""


@docker
@pytest.mark.parametrize("phase", ["detect", "build"])
def test_a_buildpack_that_hangs_ends_at_the_timeout(lab: Lab, phase: str) -> None:
    """F-25, G3."""
    bp = lab.buildpack(**{phase: "sleep 600"})

    outcome = lab.build("--buildpack", bp, "--timeout", "3")

    outcome.failed(TimedOut.exit_code)
    assert outcome.seconds < allowed(12)
