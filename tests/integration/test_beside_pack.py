"""pybuild beside `pack` with the Go lifecycle: the same builder and app give the same image, to the last byte.

Needs `PACK` (a pack program) and `CNB_LIFECYCLE_DIR` (a folder with the Go programs `lifecycle` and `launcher`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACK, LIFECYCLE = os.environ.get("PACK", ""), os.environ.get("CNB_LIFECYCLE_DIR", "")

pytestmark = [
    pytest.mark.peer,
    pytest.mark.docker,
    pytest.mark.skipif(not (PACK and LIFECYCLE), reason="PACK and CNB_LIFECYCLE_DIR name no peer"),
]


def output(*words: str) -> str:
    """Standard output of a program that must succeed."""
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=300).stdout


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import workload as module
    finally:
        sys.path.pop(0)
    output(sys.executable, "-m", "pybuild", "doctor", "--prepare", "--quiet")
    made = module.prepare(tmp_path_factory.mktemp("workload"), PACK, Path(LIFECYCLE), prefix="pybuild-test")
    yield made
    images = ["pybuild-test/ours", "pybuild-test/theirs", made.builder, made.trivial_builder]
    subprocess.run(["docker", "rmi", "-f", *images], capture_output=True, check=False)
    subprocess.run(
        [sys.executable, "-m", "pybuild", "cache", "rm", "pybuild-test/ours"],
        capture_output=True,
        check=False,
    )
    volumes = output("docker", "volume", "ls", "-q").split()
    ours = [name for name in volumes if name.startswith("pack-cache-pybuild-test_theirs")]
    subprocess.run(["docker", "volume", "rm", *ours], capture_output=True, check=False)


def test_both_tools_make_the_same_image(workload: object) -> None:
    """GEN-17, GO-26: labels, layers, configuration and so the image ID are equal, on a first and a second build."""
    builder, app = str(workload.trivial_builder), str(workload.trivial_app)  # type: ignore[attr-defined]
    words = ["--builder", builder, "--path", app, "--pull-policy", "never"]

    for _ in range(2):
        output(PACK, "build", "pybuild-test/theirs", *words, "--trust-builder")
        output(sys.executable, "-m", "pybuild", "build", "pybuild-test/ours", *words)

        ids = output("docker", "inspect", "-f", "{{.Id}}", "pybuild-test/theirs", "pybuild-test/ours").split()
        assert ids[0] == ids[1]


def compared(*words: str, code: int) -> Any:
    """What `pybuild compare … --json` says; it must end with `code`."""
    program = [sys.executable, "-m", "pybuild", "compare", *words, "--json"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_images_of_pack_are_compared_like_ours(workload: object, tmp_path: Path) -> None:
    """One file of the app differs: it is found, and its traces in labels; all else is the same."""
    builder, app = str(workload.trivial_builder), tmp_path / "app"  # type: ignore[attr-defined]
    shutil.copytree(workload.trivial_app, app)  # type: ignore[attr-defined]
    words = ["--builder", builder, "--path", str(app), "--pull-policy", "never"]
    output(PACK, "build", "pybuild-test/theirs", *words, "--trust-builder")
    (app / "file-1.txt").write_text("changed")
    output(sys.executable, "-m", "pybuild", "build", "pybuild-test/ours", *words)

    found = compared("pybuild-test/theirs", "pybuild-test/ours", code=1)

    assert [pair["owner"] for pair in found["layers"] if pair["change"] != "same"] == ["app slice 1"]
    assert {pair["owner"] for pair in found["layers"]} == {
        *("run image", "bench/tiny-1:tiny", "bench/tiny-2:tiny", "bench/tiny-3:tiny"),
        *("sbom", "app slice 1", "launcher", "config", "process-types"),
    }
    assert [(file["path"], file["what"]) for file in found["files"][0]["files"]] == [
        ("/workspace/file-1.txt", ["content", "size"])
    ]
    assert [(each["section"], each["path"], each["at"]) for each in found["differences"]] == [
        ("image", "id", None),
        ("labels", "io.buildpacks.lifecycle.metadata", ".app[0].sha"),
    ]


def test_compare_builds_with_both_and_leaves_nothing(workload: object) -> None:
    builder, app = str(workload.trivial_builder), str(workload.trivial_app)  # type: ignore[attr-defined]
    objects = ("docker image ls --format {{.Repository}}", "docker volume ls -q")

    found = compared("--build", app, "--builder", builder, code=0)

    assert found["comparison"]["identical"]
    name = found["tools"][1]["image"].partition("/")[0]
    assert name.startswith("pybuild-compare-")
    assert [words for words in objects if name in output(*words.split())] == []
