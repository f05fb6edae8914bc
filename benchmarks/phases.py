"""The phases as programs, ours beside the Go lifecycle's: analyzer, restorer and exporter on the big workload.

Part of `make bench`; alone: `PACK=… CNB_LIFECYCLE_DIR=… .venv/bin/python benchmarks/phases.py`. Both tools run in
containers of the same builder that differ in nothing but the program; detector and builder are always the Go
lifecycle's and are not measured. Images go into the engine and, where there is Debian's `docker-registry`, into a
registry on this machine. Each tool exports other bytes of the same kind, so that neither finds the other's layers.

Wall time is of the phase alone, without the container's start. `cpu`: seconds of processor time of the phase, which
another program on the machine disturbs less; what the engine does for it shows in the wall time only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workload import RUN_BASE, Workload, change_dependency, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

ROOT = Path(__file__).parents[1]
STEPS = (
    "analyze, first",
    "export, cold",
    "export, cache lost",
    "analyze",
    "restore",
    "export, no change",
)
# What one build after another runs, one after the other.
SUMS = {
    "all of a first build": ("analyze, first", "export, cold"),
    "all of a rebuild": ("analyze", "restore", "export, no change"),
}
PEAK_GOAL_MB = 150
_PREFIX = "pybuild-bench/phases"
_FOLDERS = ("layers", "cache", "launch-cache", "workspace")
# Without the page cache's write-back in the measured time, and because some file systems are slow after deletions.
_MEMORY = Path("/dev/shm")

# Runs one phase as a child and says what it took. In the container, where the phase runs in any case.
_MEASURE = """
import json, os, subprocess, sys, time
argv = sys.argv[1:]
start = time.monotonic()
process = subprocess.Popen(argv, stdout=2, stderr=2)
_, status, usage = os.wait4(process.pid, 0)
took = time.monotonic() - start
if code := os.waitstatus_to_exitcode(status):
    sys.exit(f"{argv[0]} ended with {code}")
print(json.dumps({
    "wall": took,
    "cpu": usage.ru_utime + usage.ru_stime,
    "peak_mb": usage.ru_maxrss / 1024,
}))
"""


@dataclass
class Lifecycle:
    """One of the two lifecycles, in a container of its own, whose folders are below `folder`."""

    name: str
    folder: Path
    container: str = ""
    found: dict[tuple[str, str], list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))
    images: list[str] = field(default_factory=list)

    def measure(self, target: str, step: str, phase: str, *words: str) -> None:
        """Run a phase of this lifecycle and note what it took."""
        said = self.execute("python3", "-I", "-c", _MEASURE, f"/programs/{self.name}/{phase}", *words)
        measured = json.loads(said)
        self.found[target, step].append(measured)
        print(
            f"  {self.name:8} {target:9} {step:20} {measured['wall']:7.2f} s {measured['cpu']:7.2f} s cpu",
            file=sys.stderr,
            flush=True,
        )

    def go(self, phase: str) -> None:
        """Run a phase of the Go lifecycle as the build user, unmeasured."""
        self.execute(f"/cnb/lifecycle/{phase}", user="1000:1000")

    def execute(self, *command: str, user: str = "0:0") -> str:
        """Run a program in the container; what it wrote to standard output."""
        words = ["docker", "exec", "-u", user, "-e", "CNB_PLATFORM_API=0.13", self.container, *command]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{self.name}: {' '.join(command)[:200]} failed:\n{done.stdout}\n{done.stderr[-3000:]}")
        return done.stdout

    def seconds(self, target: str, steps: Sequence[str], what: str) -> float:
        """The median of the rounds; of several steps, the sum of theirs."""
        return sum(statistics.median(each[what] for each in self.found[target, step]) for step in steps)

    def peak_mb(self, target: str, steps: Sequence[str]) -> int:
        """The most that any round of any step took."""
        return round(max(each["peak_mb"] for step in steps for each in self.found[target, step]))


@dataclass(frozen=True, slots=True)
class Target:
    """Where images go. `flags`: of the phases that use it; `place`: what stands before an image's name."""

    name: str
    flags: tuple[str, ...]
    place: str
    run_image: str


def compare(
    workload: Workload, go_program: Path, *, rounds: int, only: str | None = None
) -> list[dict[str, object]]:
    """All rounds; one row for each target and step. Exits if the two make different images."""
    memory = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="pybuild-bench-", dir=memory) as name, _registry() as registry:
        folder = Path(name)
        folder.chmod(0o755)
        lifecycles = [Lifecycle("pybuild", folder / "pybuild"), Lifecycle("go", folder / "go")]
        _write_programs(folder / "programs", go_program)
        targets = [Target("engine", ("-daemon",), _PREFIX, RUN_BASE)]
        if registry:
            targets.append(Target("registry", (), f"{registry}/{_PREFIX}", f"{registry}/{_PREFIX}-run:1"))
        with _containers(lifecycles, workload, folder / "programs"):
            for target in (each for each in targets if only in (None, each.name)):
                for number in range(rounds):
                    for each in lifecycles if number % 2 == 0 else reversed(lifecycles):
                        _round(each, target, number)
                if target.name == "engine":
                    _check_same(lifecycles[1], target)
            measured = [target.name for target in targets if only in (None, target.name)]
            steps = {step: (step,) for step in STEPS} | SUMS
            return [_row(name, step, of, *lifecycles) for name in measured for step, of in steps.items()]


def print_table(rows: Sequence[dict[str, object]]) -> None:
    """The rows, with what is above its goal marked."""
    print(
        f"{'phase':30} {'pybuild':>9} {'Go':>9} {'ratio':>7} {'cpu':>8} {'Go cpu':>8} {'ratio':>7} {'MB':>6}"
    )
    for row in rows:
        numbers = {key: float(str(value)) for key, value in row.items() if key not in ("target", "step")}
        marks = ["slower than Go"] * (numbers["ratio"] > 1)
        marks += [f"above {PEAK_GOAL_MB} MB"] * (numbers["peak_mb"] > PEAK_GOAL_MB)
        print(
            f"{row['target']!s:9} {row['step']!s:20} {row['pybuild_s']:>7} s {row['go_s']:>7} s {row['ratio']:>7}"
            f" {row['pybuild_cpu_s']:>6} s {row['go_cpu_s']:>6} s {row['cpu_ratio']:>7} {row['peak_mb']:>6}"
            f"  {', '.join(marks)}".rstrip()
        )


def check_memory(rows: Sequence[dict[str, object]]) -> None:
    """Exit where a phase took more memory than it may; that depends on no other program, as times do."""
    above = [f"{row['target']} {row['step']}" for row in rows if float(str(row["peak_mb"])) > PEAK_GOAL_MB]
    if above:
        sys.exit(f"above {PEAK_GOAL_MB} MB: {', '.join(above)}")


def _write_programs(folder: Path, go_program: Path) -> None:
    """Both lifecycles, copied, because a container may not see where they are."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import lifecycle

    for name, content in {"pybuild": lifecycle.program(), "go": go_program.read_bytes()}.items():
        program = folder / name / "lifecycle"
        program.parent.mkdir(parents=True)
        program.write_bytes(content)
        program.chmod(0o755)
        for phase in ("analyzer", "restorer", "exporter"):
            program.with_name(phase).symlink_to("lifecycle")


@contextmanager
def _containers(lifecycles: Sequence[Lifecycle], workload: Workload, programs: Path) -> Iterator[None]:
    endpoint = os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or "/var/run/docker.sock"
    try:
        for each in lifecycles:
            shutil.copytree(workload.app, each.folder / "workspace", dirs_exist_ok=True)
            for name in _FOLDERS:
                (each.folder / name).mkdir(exist_ok=True)
            mounts = [f"{each.folder / name}:/{name}" for name in _FOLDERS]
            mounts += [f"{programs}:/programs:ro", f"{endpoint}:/var/run/docker.sock"]
            words = [
                "docker",
                "run",
                "-d",
                "--rm",
                "--network",
                "host",
                "--user",
                "0:0",
                "--entrypoint",
                "sleep",
            ]
            words += [word for mount in mounts for word in ("-v", mount)]
            words += [workload.builder, "7200"]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            each.container = done.stdout.strip()
            each.execute("chown", "-R", "1000:1000", *(f"/{name}" for name in _FOLDERS))
        yield
    finally:
        for each in lifecycles:
            if each.container:
                _quietly("docker", "rm", "-f", each.container)
            _quietly("docker", "rmi", "-f", *each.images)


def _round(tool: Lifecycle, target: Target, number: int) -> None:
    """A first build, its cache lost and made again, and a build with nothing changed."""
    image = f"{target.place}-{tool.name}:{number}"
    if target.name == "engine":
        tool.images.append(image)
    change_dependency(tool.folder / "workspace", f"{target.name[0]}{tool.name[0]}{number}")
    _empty(tool, "layers", "cache", "launch-cache")
    analyze, restore, export = _command_lines(target, image)
    tool.measure(target.name, "analyze, first", *analyze)
    tool.go("detector")
    tool.go("builder")
    tool.measure(target.name, "export, cold", *export)
    _empty(tool, "cache")
    tool.measure(target.name, "analyze", *analyze)
    tool.measure(target.name, "export, cache lost", *export)
    _empty(tool, "layers")
    tool.measure(target.name, "analyze", *analyze)
    tool.go("detector")
    tool.measure(target.name, "restore", *restore)
    files = tool.execute("sh", "-c", "find /layers/bench_big/deps -type f | wc -l")
    if int(files) != 20_000:
        sys.exit(f"{tool.name}: restored {files} files")
    tool.go("builder")
    tool.measure(target.name, "export, no change", *export)


def _command_lines(target: Target, image: str) -> tuple[list[str], list[str], list[str]]:
    """Of analyzer, restorer and exporter, as pack starts them: the launch cache is for engines only."""
    flags = [*target.flags, "-launch-cache", "/launch-cache"] if target.flags else []
    return (
        ["analyzer", *flags, "-run-image", target.run_image, image],
        ["restorer", *target.flags, "-cache-dir", "/cache"],
        ["exporter", *flags, "-app", "/workspace", "-cache-dir", "/cache", image],
    )


def _check_same(peer: Lifecycle, target: Target) -> None:
    """Speed counts only for the same result: of what the peer exported last, ours must make the same layers."""
    theirs, ours = peer.images[-1], f"{target.place}-same:1"
    peer.images.append(ours)
    analyze, _, export = _command_lines(target, ours)
    for phase, *words in (analyze, export):
        peer.execute(f"/programs/pybuild/{phase}", *words)
    words = ["docker", "inspect", "-f", "{{.RootFS.Layers}}", theirs, ours]
    layers = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    if layers[0] != layers[1]:
        sys.exit(f"{theirs} and {ours} do not have the same layers:\n{layers[0]}\n{layers[1]}")
    print(f"  same layers: {theirs} and {ours}", file=sys.stderr, flush=True)


def _empty(tool: Lifecycle, *folders: str) -> None:
    tool.execute("find", *(f"/{name}" for name in folders), "-mindepth", "1", "-delete")


def _row(target: str, step: str, steps: Sequence[str], ours: Lifecycle, peer: Lifecycle) -> dict[str, object]:
    wall, peer_wall = (each.seconds(target, steps, "wall") for each in (ours, peer))
    cpu, peer_cpu = (each.seconds(target, steps, "cpu") for each in (ours, peer))
    return {
        "target": target,
        "step": step,
        "pybuild_s": round(wall, 2),
        "go_s": round(peer_wall, 2),
        "ratio": round(wall / peer_wall, 2),
        "pybuild_cpu_s": round(cpu, 2),
        "go_cpu_s": round(peer_cpu, 2),
        "cpu_ratio": round(cpu / peer_cpu, 2),
        "peak_mb": ours.peak_mb(target, steps),
        "go_peak_mb": peer.peak_mb(target, steps),
    }


def _registry() -> AbstractContextManager[str]:
    """Host and port of a registry with the run image; "" where there is no program for one."""
    program = shutil.which("docker-registry")
    if program is None:
        print("no docker-registry here (apt-get install docker-registry): registry left out", file=sys.stderr)
        return nullcontext("")
    return _running(program)


@contextmanager
def _running(program: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory(
        prefix="pybuild-bench-", dir=_MEMORY if _MEMORY.is_dir() else None
    ) as folder:
        config = Path(folder, "config.yml")
        config.write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: '{host}'}}\n"
        )
        process = subprocess.Popen(
            [program, "serve", config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"OTEL_SDK_DISABLED": "true"},
        )
        run_image = f"{host}/{_PREFIX}-run:1"
        try:
            _await(host)
            subprocess.run(["docker", "tag", RUN_BASE, run_image], check=True)
            subprocess.run(["docker", "push", "-q", run_image], check=True, stdout=subprocess.DEVNULL)
            yield host
        finally:
            _quietly("docker", "rmi", run_image)
            process.terminate()
            process.wait(20)


def _await(host: str) -> None:
    name, _, port = host.partition(":")
    until = time.monotonic() + 20
    while True:
        try:
            with socket.create_connection((name, int(port)), timeout=1):
                return
        except OSError:
            if time.monotonic() > until:
                sys.exit("docker-registry does not answer")
            time.sleep(0.05)


def _quietly(*words: str) -> None:
    """Run a program that may fail, because what it removes may be gone."""
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def main() -> None:
    """The phases alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (default 3)")
    parser.add_argument("--only", choices=("engine", "registry"), help="only this target")
    options = parser.parse_args()
    pack, programs = os.environ.get("PACK"), os.environ.get("CNB_LIFECYCLE_DIR")
    if not pack or not programs:
        sys.exit("set PACK and CNB_LIFECYCLE_DIR: there is nothing to compare with")
    with tempfile.TemporaryDirectory(prefix="pybuild-bench-") as folder:
        workload = prepare(Path(folder), pack, Path(programs), prefix="pybuild-bench-phases")
        try:
            rows = compare(workload, Path(programs) / "lifecycle", rounds=options.rounds, only=options.only)
        finally:
            _quietly("docker", "rmi", "-f", workload.builder, workload.trivial_builder)
    print_table(rows)
    check_memory(rows)


if __name__ == "__main__":
    main()
