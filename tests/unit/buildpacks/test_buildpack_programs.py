"""Every buildpack as a lifecycle sees it: its descriptor, and its programs run from the repository and packaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMES = tuple(sorted(path.parent.name for path in (ROOT / "buildpacks").glob("*/buildpack.toml")))
MARKS = (
    "Aptfile",
    "index.php",
    "Gemfile",
    "go.mod",
    "pom.xml",
    "Cargo.toml",
    "requirements.txt",
    "package.json",
)

pytestmark = pytest.mark.skipif(
    not Path("/usr/bin/python3").exists(), reason="the programs start with /usr/bin/python3"
)


def detect(buildpack: Path, app: Path, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "platform").mkdir(exist_ok=True)
    return subprocess.run(
        [str(buildpack / "bin/detect"), str(tmp_path / "platform"), str(tmp_path / "plan.toml")],
        cwd=app,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": "/nowhere", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
def test_descriptors_name_the_buildpack_and_every_target(name: str) -> None:
    descriptor = tomllib.loads((ROOT / "buildpacks" / name / "buildpack.toml").read_text())

    assert descriptor["api"] == "0.12"
    assert descriptor["buildpack"]["id"] == f"pybuild/{name}"
    assert [(target["os"], target["arch"]) for target in descriptor["targets"]] == [
        ("linux", "amd64"),
        ("linux", "arm64"),
    ]
    # Any distribution: one with Python runs them, and who needs apt says so.
    assert not any("distros" in target for target in descriptor["targets"])


@pytest.mark.parametrize("name", NAMES)
def test_a_packaged_buildpack_needs_only_its_own_folder(name: str, tmp_path: Path) -> None:
    packaged = tmp_path / "packaged"
    shutil.copytree(ROOT / "buildpacks" / name, packaged)
    for part in ("__init__.py", "errors.py", "gojson.py", "spec", "libcnb"):
        source, target = ROOT / "src/pybuild" / part, packaged / "lib/pybuild" / part
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    app = tmp_path / "app"
    app.mkdir()
    (app / "Procfile").write_text("web: true")
    for mark in MARKS:
        (app / mark).touch()

    done = detect(packaged, app, tmp_path, BPE_A="b", BP_RUNTIME_CERT_BINDING="true")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "name", ["apt", "ca-certificates", "environment-variables", "php", "procfile", "python", "ruby"]
)
def test_an_app_of_another_kind_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "main.go").touch()

    done = detect(ROOT / "buildpacks" / name, tmp_path, tmp_path)

    assert (done.returncode, done.stderr) == (100, "")


def test_php_requires_nginx_through_the_plan(tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "public/index.php").touch()

    done = detect(ROOT / "buildpacks/php", tmp_path, tmp_path)

    assert done.returncode == 0
    assert tomllib.loads((tmp_path / "plan.toml").read_text()) == {
        "provides": [{"name": "php"}],
        "requires": [
            {"name": "php", "metadata": {"found": "public/index.php"}},
            {"name": "nginx", "metadata": {"build": True, "launch": True}},
        ],
    }


@pytest.mark.parametrize(
    ("files", "variables"), [(["composer.json"], {}), (["index.php"], {"BP_PHP_SERVER": "none"})]
)
def test_php_without_web_files_or_server_does_not_ask_for_nginx(
    files: list[str], variables: dict[str, str], tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")

    done = detect(ROOT / "buildpacks/php", tmp_path, tmp_path, **variables)

    assert done.returncode == 0
    assert [need["name"] for need in tomllib.loads((tmp_path / "plan.toml").read_text())["requires"]] == [
        "php"
    ]


def test_a_front_end_offers_its_files_and_can_do_without_a_server_of_them(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(
        '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "7"}}'
    )

    done = detect(ROOT / "buildpacks/nodejs", tmp_path, tmp_path)

    plan = tomllib.loads((tmp_path / "plan.toml").read_text())
    assert done.returncode == 0
    assert plan["provides"] == [{"name": "node"}, {"name": "static-files"}]
    assert [option["provides"] for option in plan["or"]] == [[{"name": "node"}]]


def test_a_wrong_setting_passes_detect_so_that_the_build_can_explain_it(tmp_path: Path) -> None:
    (tmp_path / "index.php").touch()

    done = detect(ROOT / "buildpacks/php", tmp_path, tmp_path, BP_PHP_WEB_DIR="missing")

    assert done.returncode == 0


def build_procfile(app: Path, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "layers").mkdir(exist_ok=True)
    words = [tmp_path / "layers", tmp_path / "platform", tmp_path / "plan.toml"]
    return subprocess.run(
        [str(ROOT / "buildpacks/procfile/bin/build"), *map(str, words)],
        cwd=app,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [("worker", 0, "worker: ./work (default)"), ("wrker", 1, "asks for wrker; the Procfile has web, worker")],
)
def test_another_process_can_be_the_default(tmp_path: Path, asked: str, code: int, said: str) -> None:
    (tmp_path / "Procfile").write_text("web: ./serve\nworker: ./work\n")

    done = build_procfile(tmp_path, tmp_path, BP_PROCFILE_DEFAULT_PROCESS=asked)

    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_a_procfile_becomes_processes(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: node server.js --port $PORT\nworker: ./work\n")

    done = build_procfile(tmp_path, tmp_path)

    assert done.returncode == 0, done.stderr
    assert "web: node server.js --port $PORT (default)" in done.stdout
    assert tomllib.loads((tmp_path / "layers/launch.toml").read_text())["processes"] == [
        {
            "type": "web",
            "command": ["pybuild-init", "bash", "-c", "exec node server.js --port $PORT"],
            "default": True,
        },
        {"type": "worker", "command": ["pybuild-init", "bash", "-c", "exec ./work"]},
    ]


def test_a_mistake_in_a_procfile_is_shown_with_a_caret(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("# mine\nweb node server.js\n")

    done = build_procfile(tmp_path, tmp_path)

    assert done.returncode == 1
    assert "Procfile:2:5: expected a colon after the process type" in done.stderr
    assert "     2 | web node server.js\n       |     ^\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("files", "variables", "own"),
    [
        (["index.html"], {}, True),
        (["public/index.html"], {}, True),
        (["Staticfile", "package.json"], {}, True),
        (["public/index.html", "package.json"], {}, False),
        (["public/index.html", "server.js"], {}, False),
        (["public/index.html", "package.json"], {"BP_WEB_SERVER": "nginx"}, True),
        (["main.go"], {}, False),
    ],
)
def test_static_serves_its_own_files_only_where_nothing_else_does(
    files: list[str], variables: dict[str, str], own: bool, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    done = detect(ROOT / "buildpacks/static", tmp_path, tmp_path, **variables)

    assert (done.returncode, done.stderr) == (0, "")
    plan = tomllib.loads((tmp_path / "plan.toml").read_text())
    assert [need["name"] for need in plan["requires"]] == ["static-files", "nginx"]
    assert [option["provides"] for option in plan.get("or", [])] == (
        [[{"name": "static-files"}]] if own else []
    )


def test_a_python_that_is_too_old_is_named() -> None:
    program = "import sys; sys.version_info = (3, 10, 12); import pybuild"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("ERROR: pybuild and its buildpacks need Python 3.11 or newer")
    assert sys.executable in done.stderr
