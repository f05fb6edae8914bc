"""Many builds in a row and many kills at random moments, on an engine of its own: nothing may pile up, nothing may break.

`make soak`. Reliability: G1, G2, G3, G10, F-18, F-20, F-31.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.cli import PATIENCE, Lab, builder_of
from support.engine import gnu_files, image_of_files
from support.private_engine import PrivateEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "pybuild-test-soak"
DISK = "1g"
VERSIONS = 8
"""So many apps take turns; each has been built once where there is no cache, so that its image's id is known."""
EVERY = 10
"""After so many kills a build is let come to its end."""
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
MIB = 1 << 20

# The layer is made anew for another dependency, of which half as many exist as apps: the other builds reuse it.
# 4 MiB, so that there is something to be killed in. A second layer is of the cache alone.
BUILD = """\
key=$(cat dependency)
if [ -e "$1/deps.toml" ] && [ "$(cat "$1/deps/key" 2>/dev/null)" = "$key" ]; then
  echo "layer: kept"
else
  echo "layer: made"
  rm -rf "$1/deps"; mkdir -p "$1/deps"
  yes "$key" | head -c 4194304 > "$1/deps/data"
  echo "$key" > "$1/deps/key"
fi
mkdir -p "$1/downloads"; cp dependency "$1/downloads/last"
printf '[types]\\nlaunch = true\\ncache = true\\n[metadata]\\nkey = "%s"\\n' "$key" > "$1/deps.toml"
printf '[types]\\ncache = true\\n' > "$1/downloads.toml"
cat > "$1/launch.toml" <<TOML
[[processes]]
type = "web"
command = ["/bin/cat", "$1/deps/key", "file.txt"]
default = true
TOML"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What there is at one moment. `disk`: bytes of the engine's disk; `memory`: resident bytes of dockerd and containerd.

    `handles`: open files of both; `left`: temporary files, in the folder for them and among what pybuild remembers; `state`: bytes that pybuild remembers.
    """

    disk: int
    memory: int
    handles: int
    containers: int
    volumes: int
    images: int
    networks: int
    left: int
    state: int

    def __str__(self) -> str:
        sizes = ", ".join(
            f"{name} {getattr(self, name) / MIB:.2f} MiB" for name in ("disk", "memory", "state")
        )
        counts = {
            name: value for name, value in asdict(self).items() if name not in {"disk", "memory", "state"}
        }
        return f"{sizes}, " + ", ".join(f"{name} {value}" for name, value in counts.items())


@dataclass(slots=True, kw_only=True)
class Told:
    """What a soak came to. `peak`: the most memory of a pybuild process, bytes; `seconds`: of each whole build.

    `replaced`: kills after which the new image was there; `left`: those that left a container for the next build to remove.
    """

    before: Usage
    after: Usage | None = None
    builds: int = 0
    kills: int = 0
    replaced: int = 0
    left: int = 0
    peak: int = 0
    seconds: list[float] = field(default_factory=list)


class Soak:
    """A lab on an engine of its own, whose app changes from build to build."""

    def __init__(self, engine: PrivateEngine, lab: Lab, *, seed: int, versions: int) -> None:
        self._engine = engine
        self._lab = lab
        self._chance = random.Random(seed)
        self._words = ["--buildpack", lab.buildpack(build=BUILD)]
        self._clean = [self._clean_id(number) for number in range(versions)]
        assert len(set(self._clean)) == versions
        self._version = -1
        self._seconds: list[float] = []
        self._peak = 0
        self._build(0)
        self.told = Told(before=self._usage(), seconds=self._seconds)

    def build(self, count: int, tell: Callable[[str], None]) -> None:
        """So many builds in a row, each of another app than the one before, each image the one of a clean build."""
        for number in range(1, count + 1):
            self._build(self._another())
            self.told.builds += 1
            if not number % 50:
                tell(f"{number} builds: {self._usage()}")

    def kill(self, count: int, tell: Callable[[str], None], *, until: float = math.inf) -> None:
        """So many builds that are killed at a moment of their lives; the image is the old or the complete new one.

        `until`: the time of `time.monotonic()` at which it is enough.
        """
        usual = statistics.median(self.told.seconds)
        while self.told.kills < count and time.monotonic() < until:
            struck = self._kill_one(self._chance.uniform(0, 1.1 * usual))
            if not struck:
                continue
            if not self.told.kills % EVERY:
                self._build(self._another())
            if not self.told.kills % 50:
                tell(f"{self.told.kills} kills: {self._usage()}")

    def end(self) -> Told:
        """The first app once more: what there is now is to be what there was after its first build."""
        self._build(0 if self._version else self._another())
        if self._version:
            self._build(0)
        self.told.after, self.told.peak = self._usage(), self._peak
        return self.told

    def _another(self) -> int:
        return self._chance.choice([number for number in range(len(self._clean)) if number != self._version])

    def _write(self, version: int) -> str:
        """Make the app be this version; returns what its image will print."""
        (self._lab.app / "file.txt").write_text(f"app {version}\n")
        (self._lab.app / "dependency").write_text(f"{version // 2}\n")
        return f"{version // 2}\napp {version}\n"

    def _clean_id(self, version: int) -> str:
        """The id of the image of a build that has no past; the image is removed, its cache too."""
        self._write(version)
        name = f"clean{version}"
        outcome = self._lab.build(*self._words, name=name)
        assert outcome.code == 0, outcome.text()
        found = self._lab.image_id(name)
        self._engine.client.remove_image(self._lab.name(name))
        for volume in self._lab.caches():
            self._engine.client.remove_volume(volume)
        shutil.rmtree(self._lab.state)
        return found

    def _build(self, version: int) -> None:
        printed = self._write(version)
        running = self._lab.start_build(*self._words)
        self._peak = max(self._peak, running.peak_memory())
        outcome = running.end()
        assert outcome.code == 0, outcome.text()
        assert self._lab.image_id() == self._clean[version], f"not what a clean build makes: {outcome.text()}"
        assert self._lab.output_of() == printed
        self._version = version
        self._seconds.append(outcome.seconds)
        assert self._lab.leftovers() == []
        self._prune()

    def _kill_one(self, after: float) -> bool:
        """Kill a build; whether it was still running then."""
        before, version = self._version, self._another()
        old, new = self._write(before), self._write(version)
        # What an earlier build left that was killed stays, if this one does not live long enough to remove it.
        earlier = self._lab.leftovers(patience=0)
        running = self._lab.start_build(*self._words)
        time.sleep(after)
        number = self._chance.choice(SIGNALS)
        struck = running.process.poll() is None
        outcome = running.stop(number)
        where = f"signal {number} after {after:.3f} s, app {before} to {version}:\n{outcome.text()}"
        # A signal that comes before the program has taken signals into its own hands ends it as it ends any program;
        # one that comes after the image was written no longer matters.
        # Python itself, while it starts, ends with 1.
        early = outcome.code == 1 and "init_import_site" in outcome.stderr
        assert early or outcome.code in {0, -number, 128 + number}, where
        self._await_end(where)
        # Within two seconds a busy engine may not be done with the removal. Killed between making the container and
        # starting it: nobody removes it but the next build, as `_build` looks.
        # An engine that takes more than a moment for the making or the removal is not waited for, and that is told.
        may_be_left = number == signal.SIGKILL or "may be left" in outcome.stderr
        left = self._lab.leftovers(patience=0 if may_be_left else PATIENCE, but=earlier)
        assert not left or may_be_left, f"{left}: {where}"
        found = self._lab.image_id()
        assert found in {self._clean[before], self._clean[version]}, where
        if outcome.code == 0:
            assert found == self._clean[version], where
        is_new = found == self._clean[version]
        assert self._lab.output_of() == (new if is_new else old), where
        self._version = version if is_new else before
        struck = struck and outcome.code != 0
        self.told.kills += struck
        self.told.replaced += struck and is_new
        self.told.left += bool(left)
        self._prune()
        return struck

    def _await_end(self, where: str) -> None:
        """Nothing of a build may run on when the build has ended."""
        until = time.monotonic() + PATIENCE
        while self._engine.client.containers():
            assert time.monotonic() < until, where
            time.sleep(0.05)

    def _prune(self) -> None:
        """Images that lost their name stay, as with every tool; here they go, so that each build writes its own."""
        self._engine.client.prune_images({"dangling": True})

    def _usage(self) -> Usage:
        # kill -9 leaves a temporary folder that the next build removes; all builds here have ended.
        client = self._engine.client
        memory, handles = self._engine.resources()
        return Usage(
            disk=self._engine.used(),
            memory=memory,
            handles=handles,
            containers=len(client.containers(all=True)),
            volumes=len(client.volumes()["Volumes"] or []),
            images=len(client.images(all=True)),
            networks=len(client.networks()),
            left=len([*self._lab.tmp.iterdir(), *self._lab.state.rglob(".*")]),
            state=sum(path.stat().st_size for path in self._lab.state.rglob("*") if path.is_file()),
        )


@contextlib.contextmanager
def soaking(root: Path, engine: PrivateEngine, *, seed: int, versions: int = VERSIONS) -> Iterator[Soak]:
    """A soak in the folder `root`, with a builder and an app of its own."""
    base, builder = f"{NAME}/gnu:1", f"{NAME}/builder:1"
    next(image_of_files(engine.client, base, gnu_files()))
    name = next(builder_of(engine.client, base, builder))
    lab = Lab(
        root=root,
        engine=engine.client,
        prefix=f"{NAME}/lab",
        builder=name,
        environ={"DOCKER_HOST": engine.host},
    )
    try:
        yield Soak(engine, lab, seed=seed, versions=versions)
    finally:
        lab.close()


def grown(told: Told) -> list[str]:
    """What there is more of than at the beginning; the engine's own books and its Go memory have some room."""
    assert told.after is not None
    room = {"disk": 16 * MIB, "memory": 96 * MIB, "handles": 16, "state": 4096}
    before, after = asdict(told.before), asdict(told.after)
    return [
        f"{name}: {before[name]} before, {after[name]} after"
        for name in before
        if after[name] > before[name] + room.get(name, 0)
    ]


def main() -> int:
    """`make soak`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builds", type=int, default=300)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="kill no more after that")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    # Who starts this in the background hands on that Ctrl-C is ignored; the builds want it as users have it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="pybuild-soak-"))
    (folder / "lab").mkdir()
    engine = PrivateEngine(folder, size=DISK)

    def tell(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    try:
        engine.start()
        tell(f"{options.builds} builds and {options.kills} kills, --seed {options.seed}")
        with soaking(folder / "lab", engine, seed=options.seed) as soak:
            tell(f"before: {soak.told.before}")
            soak.build(options.builds, tell)
            soak.kill(options.kills, tell, until=began + 60 * options.minutes)
            told = soak.end()
        tell(f"after: {told.after}")
    finally:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)
    middle = len(told.seconds) // 2
    first, last = statistics.median(told.seconds[:middle]), statistics.median(told.seconds[middle:])
    tell(
        f"{told.builds} builds and {told.kills} kills ({told.replaced} came too late to keep the new image away, "
        f"{told.left} left a container that had not started to the next build), "
        f"{len(told.seconds)} builds compared with a clean one; a build takes {first:.2f} s at first and {last:.2f} s "
        f"at last, and {told.peak / MIB:.0f} MiB of memory at most"
    )
    for line in (more := grown(told)):
        tell(f"more than at the beginning: {line}")
    return 1 if more else 0


if __name__ == "__main__":
    sys.exit(main())
