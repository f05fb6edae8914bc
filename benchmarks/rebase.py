"""`pybuild rebase` beside `pack rebase`: one app image each time, in the engine, both tools alternating in one run.

    PACK=… CNB_LIFECYCLE_DIR=… .venv/bin/python benchmarks/rebase.py

`big`: the app of the big workload, with one layer of 20,000 files and 400 MB; `trivial`: the small one. Before each
measurement the engine has the app image on the old run image, and no trace of a rebased one. A ratio counts only
because both make the very same image, which is checked. Writes benchmarks/out/rebase.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from workload import RUN_BASE, prepare

PREFIX = "pybuild-bench-rebase"
NEW_RUN = f"{PREFIX}/run:new"
OUT = Path(__file__).parent / "out" / "rebase.json"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (default 3)")
    parser.add_argument("--only", choices=("big", "trivial"), action="append", help="only this app")
    options = parser.parse_args()
    pack, lifecycle = os.environ.get("PACK"), os.environ.get("CNB_LIFECYCLE_DIR")
    if not pack or not lifecycle:
        sys.exit("set PACK and CNB_LIFECYCLE_DIR: without a peer there is nothing to compare")
    pybuild = shutil.which("pybuild", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or "pybuild"
    _said(pybuild, "doctor", "--prepare", "--quiet")
    rows, made = [], [NEW_RUN]
    try:
        with tempfile.TemporaryDirectory(prefix="pybuild-bench-") as folder:
            load = prepare(Path(folder), pack, Path(lifecycle), prefix=PREFIX)
            made += [load.builder, load.trivial_builder]
            _make_run_image(Path(folder))
            apps = {
                "trivial": (load.trivial_builder, load.trivial_app),
                "big": (load.builder, load.app),
            }
            for name in options.only or apps:
                builder, source = apps[name]
                app = f"{PREFIX}/app-{name}"
                made.append(app)
                words = ["--builder", builder, "--path", str(source), "--pull-policy", "never", "--quiet"]
                _said(pybuild, "build", app, *words)
                rows.append(_measured(name, app, {"pybuild": pybuild, "pack": pack}, options.rounds))
    finally:
        subprocess.run([pybuild, "cache", "rm", *made[3:]], capture_output=True, check=False)
        subprocess.run(["docker", "rmi", "-f", *made], capture_output=True, check=False)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


def _make_run_image(folder: Path) -> None:
    """The run base with one more layer."""
    (folder / "patched").write_text("patched\n")
    container = _said("docker", "create", RUN_BASE, "true").strip()
    try:
        _said("docker", "cp", str(folder / "patched"), f"{container}:/patched")
        _said("docker", "commit", container, NEW_RUN)
    finally:
        _said("docker", "rm", container)


def _measured(name: str, app: str, tools: dict[str, str], rounds: int) -> dict[str, object]:
    seconds: dict[str, list[float]] = defaultdict(list)
    peak_mb: dict[str, float] = defaultdict(float)
    ids = set()
    for number in range(rounds):
        for tool in tools if number % 2 == 0 else reversed(tools):
            copy = f"{app}-copy"
            _said("docker", "tag", app, copy)
            words = [tools[tool], "rebase", copy, "--run-image", NEW_RUN, "--force", "--pull-policy", "never"]
            start = time.monotonic()
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            took = time.monotonic() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                sys.exit(f"{tool} ended with {process.returncode}")
            seconds[tool].append(took)
            peak_mb[tool] = max(peak_mb[tool], usage.ru_maxrss / 1024)
            ids.add(_said("docker", "inspect", "-f", "{{.Id}}", copy))
            _said("docker", "rmi", copy)
            print(f"  {name:8} {tool:8} {took:7.2f} s", file=sys.stderr, flush=True)
    if len(ids) != 1:
        sys.exit(f"the two tools made different images: {ids}")
    ours, theirs = (statistics.median(seconds[tool]) for tool in ("pybuild", "pack"))
    return {
        "app": name,
        "pybuild_s": round(ours, 2),
        "pack_s": round(theirs, 2),
        "ratio": round(ours / theirs, 3),
        "peak_mb": round(peak_mb["pybuild"], 1),
    }


def _said(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
