"""`make scale`: what grows with an app, one thing at a time, up to the size that is promised.

Each thing is built at several sizes by a tiny builder, on the engine that is there: time, and the most memory that pybuild's
process had, and its own CPU time. The slope is the exponent that the time above a build of nothing grows with from the first of
the other sizes to the last: 1 is in line with size, 2 would be its square. The engine's work is in the time and not in the CPU
time, and so is whatever else the machine does. Writes benchmarks/out/scale.json. A whole run takes half an hour and 25 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import secrets
import shutil
import statistics
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from pybuild import engine as door
from pybuild.platform import volumes
from support.cli import Lab, builder_of
from support.engine import gnu_files, image_of_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import docker

OUT = Path(__file__).parent / "out" / "scale.json"
MEMORY_MIB, SLOPE = 190, 1.3  # 200 MB
PROCESS = """
cat > "$1/launch.toml" <<TOML
[[processes]]
type = "web"
command = ["/bin/true"]
default = true
TOML
"""
LAUNCHED = "printf '[types]\\nlaunch = true\\n'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One build. `cpu`: seconds of pybuild's own; `code`: pybuild's exit code; `said`: its error, if it has one."""

    thing: str
    size: int
    seconds: float
    cpu: float
    peak_mib: float
    code: int
    said: str = ""


class Bench:
    """A lab whose builds are measured."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._bare = lab.environ

    def build(self, thing: str, size: int, *words: str) -> Measured:
        """Build, and forget image and cache."""
        name = f"{thing.split()[0]}{size}"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        running = self.lab.start_build(*words, name=name)
        peak = running.peak_memory()
        outcome = running.end()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert self.lab.engine is not None
        for image in self.lab.engine.images(name=self.lab.name(name)):
            self.lab.engine.remove_image(image["Id"], force=True)
        volumes.remove(self.lab.engine, self.lab.caches(), self.lab.state)
        return Measured(
            thing=thing,
            size=size,
            seconds=round(outcome.seconds, 2),
            cpu=round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
            peak_mib=round(peak / (1 << 20), 1),
            code=outcome.code,
            said=" ".join(outcome.errors)[:300],
        )

    def buildpack(self, build: str, name: str = "bp") -> list[str]:
        """The words for a build with this one."""
        return ["--buildpack", self.lab.buildpack(build=f"set -eu\n{build}{PROCESS}", name=name)]


def app_of_files(bench: Bench, size: int) -> Measured:
    """`size` files of 26 kB; 200,000 are 5.2 GB."""
    folder = bench.lab.root / "files"
    folder.mkdir()
    (folder / "first").touch()
    content = secrets.token_bytes(13_000) * 2
    for number in range(size):
        if not number % 1000:
            here = folder / f"folder-{number // 1000}"
            here.mkdir(parents=True)
        (here / f"file-{number}.txt").write_bytes(b"%d" % number + content)
    try:
        return bench.build("app files", size, *bench.buildpack("true"), "--path", str(folder))
    finally:
        shutil.rmtree(folder)


def large_layer(bench: Bench, size: int) -> Measured:
    """One layer of `size` MB, in files of 10 MB."""
    make = f"""\
mkdir "$1/large"; i=0
while [ $i -lt {size // 10} ]; do yes "$i and something more" | head -c 10000000 > "$1/large/$i"; i=$((i + 1)); done
{LAUNCHED} > "$1/large.toml"
"""
    return bench.build("layer MB", size, *bench.buildpack(make))


def many_layers(bench: Bench, size: int) -> Measured:
    """`size` launch layers of one file."""
    make = f"""\
i=0
while [ $i -lt {size} ]; do
  mkdir "$1/layer-$i"; echo $i > "$1/layer-$i/file"; {LAUNCHED} > "$1/layer-$i.toml"; i=$((i + 1))
done
"""
    return bench.build("layers", size, *bench.buildpack(make))


def many_buildpacks(bench: Bench, size: int) -> Measured:
    """A builder with `size` buildpacks, all of which take part; its making does not count."""
    folder = bench.lab.root / f"builder-{size}"
    folder.mkdir()
    modules, group, base = "", "", bench.lab.builder.replace("builder", "gnu")
    for number in range(size):
        path = bench.lab.buildpack(
            build=f'mkdir "$1/own"; {LAUNCHED.replace("launch", "build")} > "$1/own.toml"' + PROCESS,
            name=f"bp{number}",
        )
        modules += f'[[buildpacks]]\nid = "acme/bp{number}"\nversion = "1"\nuri = "{path}"\n'
        group += f'[[order.group]]\nid = "acme/bp{number}"\nversion = "1"\n'
    (folder / "builder.toml").write_text(
        f'{modules}[[order]]\n{group}[build]\nimage = "{bench.lab.builder}"\n[run]\n[[run.images]]\nimage = "{base}"\n'
    )
    name = bench.lab.name(f"builder{size}")
    made = bench.lab.run(
        *("builder", "create", name, "--config", str(folder / "builder.toml"), "--pull-policy", "never")
    )
    assert made.code == 0, made.text()
    try:
        return bench.build("buildpacks", size, "--builder", name, "--pull-policy", "never")
    finally:
        assert bench.lab.engine is not None
        bench.lab.engine.remove_image(name, force=True)


def many_variables(bench: Bench, size: int) -> Measured:
    """`size` variables of 1 kB, which the buildpack counts."""
    words = [word for number in range(size) for word in ("--env", f"VARIABLE_{number}={'x' * 1000}")]
    check = f'[ "$(env | grep -c ^VARIABLE_)" = {size} ] || exit 9\n'
    return bench.build("variables", size, *bench.buildpack(check), *words)


def long_names(bench: Bench, size: int) -> Measured:
    """An app and a layer with a file whose path in the image has `size` bytes, in names of 255."""
    folder = bench.lab.root / "long"
    left = size - len("/layers/acme_bp/long/")
    names = ["n" * 255] * (left // 256)
    names += ["r" * (left - 256 * len(names))]
    folder.mkdir()
    handles = [os.open(folder, os.O_RDONLY)]
    for name in names[:-1]:
        os.mkdir(name, dir_fd=handles[-1])
        handles.append(os.open(name, os.O_RDONLY, dir_fd=handles[-1]))
    file = os.open(names[-1], os.O_WRONLY | os.O_CREAT, dir_fd=handles[-1])
    for handle in (*handles, file):
        os.close(handle)
    copy = f'mkdir "$1/long"; cp -r . "$1/long/"; {LAUNCHED} > "$1/long.toml"\n'
    try:
        return bench.build("path bytes", size, *bench.buildpack(copy), "--path", str(folder))
    finally:
        shutil.rmtree(folder)


def large_label(bench: Bench, size: int) -> Measured:
    """A label of `size` bytes, which a buildpack sets."""
    # No program may have an argument of that size, but sh's own printf may.
    make = f"""\
set -eu
v=x; while [ ${{#v}} -lt {size} ]; do v=$v$v; done
printf '[[labels]]\\nkey = "large"\\nvalue = "%.{size}s"\\n' "$v" > "$1/launch.toml"
[ "$(stat -c %s "$1/launch.toml")" = {size + 36} ]
"""
    return bench.build("label bytes", size, "--buildpack", bench.lab.buildpack(build=make))


THINGS: dict[str, tuple[Callable[[Bench, int], Measured], tuple[int, ...]]] = {
    "app": (app_of_files, (0, 50_000, 100_000, 200_000)),
    "layer": (large_layer, (0, 1000, 2000, 3000)),
    "layers": (many_layers, (0, 30, 60, 118)),
    "buildpacks": (many_buildpacks, (1, 15, 30, 60)),
    "variables": (many_variables, (0, 50, 100, 200)),
    "paths": (long_names, (290, 1000, 2000, 4000)),
    "labels": (large_label, (0, 250_000, 500_000, 1_000_000)),
}
"""What is measured, and at which sizes; the first one is the build of nothing."""


@contextmanager
def bench_on(client: docker.APIClient) -> Iterator[Bench]:
    """A lab with the tiny builder, in a folder of its own; nothing is left."""
    prefix = f"pybuild-scale-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pybuild-scale-")))
        makers = [image_of_files(client, f"{prefix}/gnu:1", gnu_files())]
        base = next(makers[0])
        makers.append(builder_of(client, base, f"{prefix}/builder:1"))
        builder = next(makers[1])
        for maker in makers:
            stack.callback(lambda maker=maker: next(maker, None))
        lab = Lab(root=root, engine=client, prefix=f"{prefix}/lab", builder=builder)
        (lab.app / "file.txt").write_text("an app\n")
        stack.callback(lab.close)
        yield Bench(lab)


def slope(measured: Sequence[Measured], value: Callable[[Measured], float]) -> float:
    """The exponent of a power of the size, fitted to what is above the first value; 0 where that is too little to tell."""
    first = measured[0]
    points = [(each.size - first.size, value(each) - value(first)) for each in measured[1:]]
    if points[-1][1] < max(0.3, 0.5 * value(first)) or min(above for _, above in points) <= 0:
        return 0.0
    x, y = [math.log(size) for size, _ in points], [math.log(above) for _, above in points]
    return statistics.linear_regression(x, y).slope


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=THINGS, action="append", help="only this thing")
    parser.add_argument("--divide", type=int, default=1, help="take sizes that are so many times smaller")
    options = parser.parse_args()
    kept = {} if not OUT.exists() or not options.only else json.loads(OUT.read_text())
    bad = 0
    with door.connect() as client, bench_on(client) as bench:
        for name in options.only or THINGS:
            measure, sizes = THINGS[name]
            found = []
            for size in sizes:
                found.append(measure(bench, size // options.divide))
                one = found[-1]
                print(
                    f"{one.thing:12} {one.size:>9,} {one.seconds:8.2f} s {one.cpu:8.2f} s CPU"
                    f" {one.peak_mib:7.1f} MiB  {one.said}",
                    flush=True,
                )
            time, cpu = slope(found, lambda one: one.seconds), slope(found, lambda one: one.cpu)
            ok = cpu <= SLOPE and all(not one.code and one.peak_mib <= MEMORY_MIB for one in found)
            bad += not ok
            print(
                f"{found[0].thing:12} slope {time:.2f}, of CPU time {cpu:.2f}{'' if ok else '   NOT AS PROMISED'}",
                flush=True,
            )
            kept[name] = {
                "slope": round(time, 2),
                "cpu_slope": round(cpu, 2),
                "builds": [asdict(one) for one in found],
            }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(kept, indent=2) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
