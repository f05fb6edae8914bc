"""Our launcher starts no slower than the Go launcher: both in turn, on the same layers.

`CNB_LIFECYCLE_DIR`: a folder with the Go lifecycle's `launcher`.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import pytest

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.launcher.compile import compile_launcher
from pybuild.launcher.inputs import launch_inputs, patterns
from pybuild.spec.api import ApiVersion
from pybuild.spec.launch import Metadata, Process
from pybuild.spec.order import GroupElement

ROUNDS = 60
PEER = Path(os.environ.get("CNB_LIFECYCLE_DIR", "/no/such")) / "launcher"
API = ApiVersion(0, 12)

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER.is_file(), reason="CNB_LIFECYCLE_DIR names no folder with a launcher"),
]


def make_layers(root: Path) -> Metadata:
    """What an app in an interpreted language has: a runtime, its dependencies, and a few defaults."""
    for path, content in {
        "runtime/env/LANG.default": "C.UTF-8",
        "runtime/env.launch/HOME_OF_IT.override": "/layers/acme_runtime/runtime",
        "deps/env/LOOK_HERE.prepend": "/layers/acme_runtime/deps/modules",
        "deps/env/LOOK_HERE.delim": ":",
        "deps/env.launch/web/PORT.default": "8080",
        "config/env/OPTIONS.append": "--quiet",
        "config/env/OPTIONS.delim": " ",
    }.items():
        file = root / "acme_runtime" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    for directory in ("runtime/bin", "runtime/lib", "deps/bin"):
        (root / "acme_runtime" / directory).mkdir(parents=True)
    metadata = Metadata(
        processes=(Process(type="web", command=("/bin/true",), buildpack_id="acme/runtime"),),
        buildpacks=(GroupElement(id="acme/runtime", version="1", api="0.10"),),
    )
    (root / "config").mkdir()
    (root / "config/metadata.toml").write_bytes(metadata.write(API))
    return metadata


def seconds(program: Path, environ: dict[str, str]) -> float:
    start = time.perf_counter()
    child = os.posix_spawn(program, ["/cnb/process/web"], environ)
    _, status = os.waitpid(child, 0)
    assert status == 0
    return time.perf_counter() - start


def test_the_launcher_starts_no_slower_than_the_go_launcher(tmp_path: Path) -> None:
    layers_dir, place = tmp_path / "layers", LocalBuildEnv()
    layers_dir.mkdir()
    metadata = make_layers(layers_dir)
    inputs = launch_inputs(
        metadata,
        platform_api=API,
        layers_dir=str(layers_dir),
        app_dir=str(tmp_path),
        entries=place.scan([str(layers_dir)])[0].entries,
        files=place.read_files(patterns(str(layers_dir))),
    )
    ours, theirs = tmp_path / "process/web", tmp_path / "peer/web"
    for program in (ours, theirs):
        program.parent.mkdir()
    ours.write_bytes(compile_launcher(inputs))
    ours.chmod(0o755)
    theirs.symlink_to(PEER)
    environ = {
        "PATH": "/cnb/process:/cnb/lifecycle:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/home/cnb",
        "HOSTNAME": "0123456789ab",
        "CNB_LAYERS_DIR": str(layers_dir),
        "CNB_APP_DIR": str(tmp_path),
        "CNB_PLATFORM_API": str(API),
        "CNB_DEPRECATION_MODE": "quiet",
        **{f"SERVICE_{number}_HOST": f"10.0.0.{number}" for number in range(8)},
    }

    times = [(seconds(ours, environ), seconds(theirs, environ)) for _ in range(ROUNDS)]

    ratio = statistics.median(mine for mine, _ in times) / statistics.median(peer for _, peer in times)
    print(f"launcher / Go launcher, median of {ROUNDS}: {ratio:.2f}")  # noqa: T201
    assert ratio <= 1.0
