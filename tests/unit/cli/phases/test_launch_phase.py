"""The launcher where no exporter made one: `lifecycle launcher`, and the file that calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pybuild.lifecycle.image_layers import PLACEHOLDER

ROOT = Path(__file__).parents[4]
METADATA = """
[[buildpacks]]
id = "a/one"
version = "1"
api = "{api}"
[[processes]]
type = "web"
command = ["/usr/bin/env"]
args = ["sh", "-c", "echo \\"$DEP $0 $1\\"; env"]
direct = true
buildpack-id = "a/one"
"""


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    for path, text in {
        "config/metadata.toml": METADATA.format(api="0.10"),
        "a_one/dep/env/DEP": "a dep",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def launch(layers: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "CNB_PLATFORM_API": "0.12",
        "CNB_LAYERS_DIR": str(layers),
        "CNB_APP_DIR": str(layers / "app"),
        **environ,
    }
    return subprocess.run(
        [sys.executable, "-m", "pybuild.cli.phases.programs", "launcher", *words],
        env=given, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_process_is_launched_with_what_its_layers_say(layers: Path) -> None:
    """LCH-01, LCH-03, LCH-11, ENV-02; nothing of ours is in its environment."""
    done = launch(layers, "/cnb/process/web", "sh", "-c", 'echo "$DEP $0"; pwd; env', "zero")

    assert (done.returncode, done.stderr) == (0, "")
    first, folder, *rest = done.stdout.splitlines()
    assert (first, folder) == ("a dep zero", str(layers / "app"))
    names = {line.partition("=")[0] for line in rest if not line.startswith("PYTHONPATH=")}
    assert names - {"_", "PWD", "SHLVL", "OLDPWD"} == {"PATH", "DEP"}


def test_any_command_is_launched_in_a_shell(layers: Path) -> None:
    """LCH-05."""
    done = launch(layers, "/cnb/lifecycle/launcher", 'echo "from $DEP"; exit 7')

    assert (done.returncode, done.stdout) == (7, "from a dep\n")


@pytest.mark.parametrize(
    ("environ", "api", "code", "said"),
    [
        ({"CNB_PLATFORM_API": "0.99"}, "0.10", 11, "Platform API 0.99"),
        ({"CNB_PLATFORM_API": ""}, "0.10", 11, "CNB_PLATFORM_API is not set"),
        ({}, "0.99", 12, "buildpack a/one"),
        ({"CNB_LAYERS_DIR": "/no/layers"}, "0.10", 1, "/no/layers/config/metadata.toml"),
    ],
)
def test_what_cannot_be_launched_ends_with_the_launchers_exit_codes(
    layers: Path, environ: dict[str, str], api: str, code: int, said: str
) -> None:
    """LCH-13, GEN-01, GEN-02: on standard error, since the other one is the app's."""
    (layers / "config/metadata.toml").write_text(METADATA.format(api=api))

    done = launch(layers, "web", **environ)

    assert (done.returncode, done.stdout, said in done.stderr) == (code, "", True), done.stderr


def test_the_file_of_that_name_says_so_where_there_is_no_lifecycle(tmp_path: Path) -> None:
    file = tmp_path / "launcher"
    file.write_bytes(PLACEHOLDER.replace(b"/cnb/lifecycle/lifecycle", b"/no/lifecycle"))
    file.chmod(0o755)

    done = subprocess.run([file], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (82, "")
    assert "this is no launcher" in done.stderr
