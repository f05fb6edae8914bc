"""pybuild beside `pack` with the Go lifecycle: the same builder and app give the same image, to the last byte.

Needs `PACK` (a pack program) and `CNB_LIFECYCLE_DIR` (a folder with the Go programs `lifecycle` and `launcher`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

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


@pytest.fixture
def workload(tmp_path: Path) -> Iterator[object]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import workload as module
    finally:
        sys.path.pop(0)
    output(sys.executable, "-m", "pybuild", "doctor", "--prepare", "--quiet")
    made = module.prepare(tmp_path, PACK, Path(LIFECYCLE), prefix="pybuild-test")
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
