"""`make bench`: pybuild beside `pack`, the same builders and apps, alternating in one run; prints a table.

Needs `PACK` (a pack program) and `CNB_LIFECYCLE_DIR` (a folder with the Go programs `lifecycle` and `launcher`,
which pack's builder needs). Without them only pybuild is measured, on its default builder's bases, and no ratio
is claimed. Writes benchmarks/out/latest.json: `{scenario, pybuild_s, pack_s, ratio, peak_mb}` for each scenario,
medians of the rounds; `peak_mb` is the largest resident set of pybuild's process. After that come the phases as
programs, beside the Go lifecycle's (phases.py; benchmarks/out/phases.json).
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import phases
from workload import BIG_LAYER, BUILD_BASE, Workload, change_app, change_dependency, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

SCENARIOS = ("cold", "no-change", "app-change", "dependency-change", "trivial")
GOALS = {"cold": 0.7, "no-change": 0.1, "app-change": 0.12, "dependency-change": 0.5, "trivial": 0.8}
PEAK_GOAL_MB = 120
CALMING = "pybuild-bench-calm-"
OUT = Path(__file__).parent / "out"


@dataclass
class Tool:
    """One of the two programs: how it is called, and what it needed."""

    name: str
    command: Callable[[str, str, Path], list[str]]
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    peak_mb: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    images: list[str] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)
    """The image ID by image name, of what was removed again."""

    def build(self, scenario: str, image: str, builder: str, app: Path) -> None:
        """Build once, as a process of its own, and note wall time and memory."""
        if image not in self.images:
            self.images.append(image)
        with tempfile.TemporaryFile() as log:
            start = time.monotonic()
            process = subprocess.Popen(self.command(image, builder, app), stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                log.seek(0)
                sys.exit(f"{self.name} failed:\n{log.read().decode(errors='replace')}")
        self.seconds[scenario].append(seconds)
        self.peak_mb[scenario].append(usage.ru_maxrss / 1024)
        print(f"  {self.name:8} {scenario:18} {seconds:7.2f} s", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (default 3)")
    parser.add_argument(
        "--only", choices=(*SCENARIOS, "phases"), action="append", help="only these scenarios"
    )
    options = parser.parse_args()
    pack, lifecycle = os.environ.get("PACK"), os.environ.get("CNB_LIFECYCLE_DIR")
    if not pack or not lifecycle:
        sys.exit(
            "set PACK and CNB_LIFECYCLE_DIR: without a peer on the same machine there is nothing to compare"
        )
    subprocess.run([_pybuild(), "doctor", "--prepare", "--quiet"], check=True)
    tools = [Tool("pybuild", _pybuild_command), Tool("pack", lambda *words: _pack_command(pack, *words))]
    with_phases = not options.only or "phases" in options.only
    wanted = [scenario for scenario in options.only or SCENARIOS if scenario in SCENARIOS]
    by_phase: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="pybuild-bench-") as folder:
        workload = prepare(Path(folder), pack, Path(lifecycle))
        try:
            for number in range(options.rounds if wanted else 0):
                # Who goes first changes, so that neither always finds the other's warm page cache.
                for tool in tools if number % 2 == 0 else reversed(tools):
                    _round(tool, number, workload, wanted)
                    _forget(tool)
                _compare(number, wanted, *tools)
            if with_phases:
                by_phase = phases.compare(workload, Path(lifecycle) / "lifecycle", rounds=options.rounds)
        finally:
            _clean_up(tools, workload)
    rows = [_row(scenario, *tools) for scenario in SCENARIOS if scenario in wanted]
    if rows:
        _write("latest.json", rows)
        _print_table(rows)
    if by_phase:
        _write("phases.json", by_phase)
        phases.print_table(by_phase)
        phases.check_memory(by_phase)


def _write(name: str, rows: list[dict[str, object]]) -> None:
    OUT.mkdir(exist_ok=True)
    (OUT / name).write_text(json.dumps(rows, indent=2) + "\n")


def _round(tool: Tool, number: int, workload: Workload, wanted: list[str]) -> None:
    image = f"pybuild-bench/{tool.name}-{number}"
    if set(wanted) - {"trivial"}:
        change_app(workload.app, f"before {number}\n")
        change_dependency(workload.app, f"{number}1")
        _calm_the_disk(workload)
        tool.build("cold", image, workload.builder, workload.app)
        tool.build("no-change", image, workload.builder, workload.app)
        change_app(workload.app, f"after {number}\n")
        tool.build("app-change", image, workload.builder, workload.app)
        change_dependency(workload.app, f"{number}2")
        tool.build("dependency-change", image, workload.builder, workload.app)
    if "trivial" in wanted:
        name = f"{image}-trivial"
        tool.build("trivial-first", name, workload.trivial_builder, workload.trivial_app)
        for _ in range(3):
            tool.build("trivial", name, workload.trivial_builder, workload.trivial_app)


def _calm_the_disk(workload: Workload) -> None:
    """Write as many files as the layer has, into a volume that stays to the end, and have all of it on the disk.

    An ext4 without journal takes up to 0.8 ms for each file that is made soon after so many were removed, be it by
    the other tool at its end: whoever comes next pays. Here that is neither of the two.
    """
    name = f"{CALMING}{len(workload.calmed)}"
    workload.calmed.append(name)
    script = f"mkdir /calm/layers; set -- /calm/layers; echo calm >dependency.txt; {BIG_LAYER}"
    words = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "--user",
        "root",
        "--workdir",
        "/calm",
        "--volume",
        f"{name}:/calm",
    ]
    subprocess.run(
        [*words, "--entrypoint", "/bin/sh", BUILD_BASE, "-c", script], stdout=subprocess.DEVNULL, check=True
    )
    os.sync()


def _forget(tool: Tool) -> None:
    """Note what a tool has made in its round, and remove it.

    The other makes the same layers: it would find them in the engine, and save their unpacking, only for being second.
    """
    names = [image for image in tool.images if image not in tool.made]
    words = ["docker", "inspect", "-f", "{{.Id}}", *names]
    ids = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    tool.made |= dict(zip(names, ids, strict=True))
    subprocess.run(["docker", "rmi", "-f", *names], stdout=subprocess.DEVNULL, check=True)


def _compare(number: int, wanted: list[str], ours: Tool, peer: Tool) -> None:
    """Speed counts only for the same result: both tools must have made the very same image."""
    for suffix in [""] * bool(set(wanted) - {"trivial"}) + ["-trivial"] * ("trivial" in wanted):
        names = [f"pybuild-bench/{tool.name}-{number}{suffix}" for tool in (ours, peer)]
        ids = [ours.made[names[0]], peer.made[names[1]]]
        if len(set(ids)) != 1:
            sys.exit(
                f"{' and '.join(names)} are not the same image: {' '.join(ids)}; "
                "`pybuild compare --build` with this workload shows where they differ"
            )
        print(f"  same image: {' and '.join(names)} are {ids[0][:19]}", file=sys.stderr)


def _row(scenario: str, ours: Tool, peer: Tool) -> dict[str, object]:
    pybuild_s, pack_s = statistics.median(ours.seconds[scenario]), statistics.median(peer.seconds[scenario])
    return {
        "scenario": scenario,
        "pybuild_s": round(pybuild_s, 2),
        "pack_s": round(pack_s, 2),
        "ratio": round(pybuild_s / pack_s, 3),
        "peak_mb": round(max(ours.peak_mb[scenario]), 1),
    }


def _print_table(rows: list[dict[str, object]]) -> None:
    print(f"{'scenario':18} {'pybuild':>9} {'pack':>9} {'ratio':>7} {'goal':>6} {'peak MB':>8}")
    for row in rows:
        scenario = str(row["scenario"])
        met = "" if float(str(row["ratio"])) <= GOALS[scenario] else "  above the goal"
        met += "" if float(str(row["peak_mb"])) <= PEAK_GOAL_MB else f"  above {PEAK_GOAL_MB} MB"
        print(
            f"{scenario:18} {row['pybuild_s']:>7} s {row['pack_s']:>7} s {row['ratio']:>7}"
            f" {GOALS[scenario]:>6} {row['peak_mb']:>8}{met}"
        )


def _pybuild() -> str:
    return (
        shutil.which("pybuild", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
        or "pybuild"
    )


def _pybuild_command(image: str, builder: str, app: Path) -> list[str]:
    return [_pybuild(), "build", image, "--builder", builder, "--path", str(app), "--pull-policy", "never"]


def _pack_command(pack: str, image: str, builder: str, app: Path) -> list[str]:
    words = [pack, "build", image, "--builder", builder, "--path", str(app)]
    return [*words, "--pull-policy", "never", "--trust-builder"]


def _clean_up(tools: list[Tool], workload: Workload) -> None:
    """Remove the images and cache volumes of this run, and nothing else."""
    images = [image for tool in tools for image in tool.images]
    _quietly(_pybuild(), "cache", "rm", *tools[0].images)
    listed = subprocess.run(
        ["docker", "volume", "ls", "-q"], capture_output=True, text=True, check=False
    ).stdout
    volumes = [name for name in listed.split() if name.startswith("pack-cache-pybuild-bench_pack-")]
    _quietly("docker", "rmi", "-f", *images, workload.builder, workload.trivial_builder)
    _quietly("docker", "volume", "rm", *volumes, *workload.calmed)


def _quietly(*words: str) -> None:
    """Run a program that may fail, because what it removes may be gone."""
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()
