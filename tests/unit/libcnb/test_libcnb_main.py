"""Whole buildpack programs, started as a lifecycle starts them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

SRC = Path(__file__).parents[3] / "src"


@dataclass
class Buildpack:
    root: Path
    app: Path
    layers: Path
    plan: Path
    platform: Path

    def program(self, phase: str, body: str) -> None:
        file = self.root / "bin" / phase
        file.parent.mkdir(parents=True, exist_ok=True)
        # -I and -S: nothing but the standard library can be imported.
        head = f"#!{sys.executable} -IS\nimport sys\nsys.path.insert(0, {str(SRC)!r})\n"
        file.write_text(head + dedent(body))
        file.chmod(0o755)

    def run(
        self, phase: str, *, by_arguments: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        paths = {
            "CNB_LAYERS_DIR": str(self.layers),
            "CNB_PLATFORM_DIR": str(self.platform),
            "CNB_BUILD_PLAN_PATH": str(self.plan),
            "CNB_BP_PLAN_PATH": str(self.plan),
            "CNB_BUILDPACK_DIR": str(self.root),
        }
        arguments = [str(self.platform), str(self.plan)]
        if phase == "build":
            arguments.insert(0, str(self.layers))
        return subprocess.run(
            [str(self.root / "bin" / phase), *(arguments if by_arguments else [])],
            env={"PATH": os.environ["PATH"], **({} if by_arguments else paths), **variables},
            cwd=self.app,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def buildpack(tmp_path: Path) -> Buildpack:
    made = Buildpack(*(tmp_path / name for name in ("bp", "app", "layers", "plan.toml", "platform")))
    for folder in (made.root, made.app, made.layers, made.platform / "env"):
        folder.mkdir(parents=True)
    (made.root / "buildpack.toml").write_text('api = "0.12"\n[buildpack]\nid = "a/b"\nversion = "1.2.3"\n')
    return made


DETECT = """
    from pybuild.libcnb import main
    from pybuild.libcnb.plan import NotForUs, Passed, PlanOption, Require

    def detect(context):
        if not (context.app / "go.mod").is_file():
            return NotForUs(reason="No go.mod.")
        return Passed(options=(
            PlanOption(provides=("go",), requires=(Require(name="go", metadata={"version": context.setting("BP_V", "1")}),)),
            PlanOption(),
        ))

    main.detect(detect)
"""


@pytest.mark.parametrize("by_arguments", [False, True])
def test_a_passing_detect_writes_its_plan(buildpack: Buildpack, by_arguments: bool) -> None:
    buildpack.program("detect", DETECT)
    (buildpack.app / "go.mod").touch()

    done = buildpack.run("detect", by_arguments=by_arguments)

    assert (done.returncode, done.stderr) == (0, "")
    assert tomllib.loads(buildpack.plan.read_text()) == {
        "provides": [{"name": "go"}],
        "requires": [{"name": "go", "metadata": {"version": "1"}}],
        "or": [{}],
    }


def test_a_detect_that_does_not_apply_exits_with_100_and_says_why(buildpack: Buildpack) -> None:
    buildpack.program("detect", DETECT)

    done = buildpack.run("detect")

    assert (done.returncode, done.stdout) == (100, "No go.mod.\n")
    assert not buildpack.plan.exists()


def test_a_users_variable_is_read_from_the_platform_folder_too(buildpack: Buildpack) -> None:
    buildpack.program("detect", DETECT)
    (buildpack.app / "go.mod").touch()
    (buildpack.platform / "env/BP_V").write_text("7")

    buildpack.run("detect")

    assert 'version = "7"' in buildpack.plan.read_text()


BUILD = """
    from pybuild.libcnb import main
    from pybuild.libcnb.launch import Built, Process
    from pybuild.libcnb.layers import Types
    from pybuild.libcnb.sbom import Component

    def build(context):
        layer = context.layers.cached_layer("go", Types(launch=True, cache=True), key={"v": context.version}).layer
        context.sbom(layer, [Component(name="go", version="1.2", purl="pkg:generic/go@1.2")])
        context.resolved.choose("go", lambda: "1.2")
        return Built(
            processes=(Process(type="web", command=("go",), args=("run",), default=True, exec_envs=("test",)),),
            labels={"a": context.plan[0].name},
            slices=(("static/*",),),
            unmet=("other",),
            store={"runs": context.store.get("runs", 0) + 1},
        )

    main.build(build)
"""


def test_a_build_writes_all_its_files(buildpack: Buildpack) -> None:
    buildpack.program("build", BUILD)
    buildpack.plan.write_text('[[entries]]\nname = "go"\n[[entries]]\nname = "other"\n')
    (buildpack.layers / "store.toml").write_text("[metadata]\nruns = 4\n")
    (buildpack.layers / "launch.sbom.cdx.json").write_text("of the build before")

    done = buildpack.run("build")

    assert (done.returncode, done.stderr) == (0, "")
    read = {file.stem: tomllib.loads(file.read_text()) for file in buildpack.layers.glob("*.toml")}
    assert read == {
        "go": {"types": {"launch": True, "build": False, "cache": True}, "metadata": {"key": {"v": "1.2.3"}}},
        "launch": {
            "labels": [{"key": "a", "value": "go"}],
            "processes": [
                {"type": "web", "command": ["go"], "args": ["run"], "default": True, "exec-env": ["test"]}
            ],
            "slices": [{"paths": ["static/*"]}],
        },
        "build": {"unmet": [{"name": "other"}]},
        "store": {"metadata": {"runs": 5, "versions": {"go": "1.2"}}},
    }
    assert {file.name for file in buildpack.layers.glob("*.json")} == {
        "go.sbom.cdx.json",
        "go.sbom.spdx.json",
        "go.sbom.syft.json",
    }


def test_what_moved_since_the_last_build_is_shown_last(buildpack: Buildpack) -> None:
    buildpack.program("build", BUILD)
    buildpack.plan.write_text('[[entries]]\nname = "go"\n')
    (buildpack.layers / "store.toml").write_text('[metadata.versions]\ngo = "1.1"\n')

    done = buildpack.run("build")

    assert done.stdout.endswith("  Moved since the last build\n    go 1.1 → 1.2\n")


def test_a_locked_build_takes_the_version_of_the_build_before(buildpack: Buildpack) -> None:
    buildpack.program("build", BUILD)
    buildpack.plan.write_text('[[entries]]\nname = "go"\n')
    (buildpack.layers / "store.toml").write_text('[metadata.versions]\ngo = "1.1"\n')
    (buildpack.platform / "env/BP_LOCKED").write_text("true")

    done = buildpack.run("build")

    store = tomllib.loads((buildpack.layers / "store.toml").read_text())
    assert (done.returncode, store["metadata"]["versions"]) == (0, {"go": "1.1"})


def test_a_locked_build_with_no_build_before_says_so(buildpack: Buildpack) -> None:
    buildpack.program("build", BUILD)
    buildpack.plan.write_text('[[entries]]\nname = "go"\n')
    (buildpack.platform / "env/BP_LOCKED").write_text("true")

    done = buildpack.run("build")

    assert done.returncode == 1
    assert "ERROR: There is nothing to lock to" in done.stderr
    assert "without --locked" in done.stderr


def test_no_bill_of_materials_is_written_where_it_is_switched_off(buildpack: Buildpack) -> None:
    buildpack.program("build", BUILD)
    buildpack.plan.write_text('[[entries]]\nname = "go"\n')
    (buildpack.layers / "go.sbom.cdx.json").write_text("old")
    (buildpack.platform / "env/BP_DISABLE_SBOM").write_text("true")

    done = buildpack.run("build")

    assert (done.returncode, list(buildpack.layers.glob("*.json"))) == (0, [])


def test_a_users_error_is_shown_in_full_without_a_traceback(buildpack: Buildpack) -> None:
    buildpack.program(
        "build",
        """
        from pybuild.libcnb import main
        from pybuild.libcnb.problem import Paste, Problem

        def build(context):
            raise Problem("No lock file", "There is a go.mod.", steps=("Run it.", "Commit it."), paste=Paste(file="x", text="y = 1"))

        main.build(build)
        """,
    )

    done = buildpack.run("build")

    assert done.returncode == 1
    assert done.stderr == dedent("""
        ERROR: No lock file

          There is a go.mod.

          To fix it:
          1. Run it.
          2. Commit it.

          Write this to x:

              y = 1
        """)


def test_a_mistake_of_the_buildpack_is_called_one_and_has_its_traceback(buildpack: Buildpack) -> None:
    buildpack.program("build", "from pybuild.libcnb import main\nmain.build(lambda context: 1 / 0)\n")

    done = buildpack.run("build")

    assert done.returncode == 70
    assert "This buildpack has a bug" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_a_program_started_by_hand_says_how_it_is_meant_to_be_started(buildpack: Buildpack) -> None:
    buildpack.program("detect", DETECT)

    done = subprocess.run(
        [str(buildpack.root / "bin/detect")], env={}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "CNB_PLATFORM_DIR is not set and argument 1 is missing" in done.stderr
    assert "Traceback" not in done.stderr
