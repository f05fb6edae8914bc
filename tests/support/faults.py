"""An app that has been built once, and what must hold after something went wrong with its next build."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from support.cli import result

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Lab, Running

# One cached launch layer that is kept when it is there, and a process that reads from it. `/marks/<word>` makes
# a build stop at a place, or do more, so that a test can have another build of the same buildpack. A stopped one
# says so with a mark of its own, and stays until that is gone: from then on `stop-…` only matters to later builds.
STOP = (
    "[ ! -e /marks/stop-{0} ] || {{ touch /marks/{0}ing; while [ -e /marks/{0}ing ]; do sleep 0.1; done; }}"
)
DETECT = STOP.format("detect")
BUILD = f"""\
{STOP.format("build")}
layer=$1/deps
if [ -e "$layer.toml" ] && [ -e "$layer/data" ]; then echo "layer: kept"; else
  echo "layer: made"
  mkdir -p "$layer"
  echo "data of version $(cat version)" > "$layer/data"
  [ ! -e /marks/big ] || head -c 200000000 /dev/zero > "$layer/big"
fi
printf '[types]\\nlaunch = true\\ncache = true\\n[metadata]\\nversion = "1"\\n' > "$layer.toml"
cat > "$1/launch.toml" <<TOML
[[processes]]
type = "web"
command = ["/bin/cat", "$layer/data", "file.txt"]
default = true
TOML"""


CLEAN: dict[tuple[str, str], str] = {}


class Faults:
    """A lab with an app that has been built once; knows what a clean build of it gives."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        (lab.app / "version").write_text("1\n")
        self.words = ["--buildpack", lab.buildpack(detect=DETECT, build=BUILD)]
        self.first = str(result(lab.build(*self.words, "--json"))["image_id"])
        self.remembered = True

    def mark(self, word: str, *, there: bool = True) -> Path:
        path = self.lab.marks / word
        if there:
            path.touch()
        else:
            path.unlink(missing_ok=True)
        return path

    def start(self) -> Running:
        return self.lab.start_build(*self.words)

    def forget(self) -> None:
        """Have the next build make its layer again, and find no cache."""
        shutil.rmtree(self.lab.state, ignore_errors=True)
        self.remembered = False

    def check_unharmed(self) -> None:
        """E0, G1: nothing is left, the previous image is the same and runs."""
        assert self.lab.leftovers() == []
        assert self.lab.was_killed or self.lab.left_files() == []
        assert self.lab.image_id() == self.first
        assert self.lab.output_of() == "data of version 1\nan app\n"

    def check_next_build(self) -> None:
        """The next build succeeds with the cache as it was, gives what a build without any past gives, and sweeps."""
        for word in MARKS:
            self.mark(word, there=False)
        (self.lab.app / "file.txt").write_text("a changed app\n")
        outcome = self.lab.build(*self.words, "--json")
        found = result(outcome)
        assert "layer: kept" in outcome.stderr or not self.remembered, outcome.text()
        assert self.lab.engine is not None
        here = (self.lab.engine.base_url, self.lab.builder)
        if here not in CLEAN:
            # The name is no part of an image, so one clean build will do for all tests of an engine.
            CLEAN[here] = str(result(self.lab.build(*self.words, "--json", name="clean"))["image_id"])
        assert found["image_id"] == CLEAN[here]
        assert self.lab.output_of() == "data of version 1\na changed app\n"
        assert self.lab.left_files() == [], "also what kill -9 left"


MARKS = ("stop-detect", "stop-build", "detecting", "building", "big")


def stopped_in(faults: Faults, phase: str) -> Running:
    """A build that is in this phase now. May be called again when that one has ended."""
    for word in MARKS:
        faults.mark(word, there=False)
    if phase == "DETECTING":
        faults.mark("stop-detect")
    elif phase in {"RESTORING", "BUILDING"}:
        faults.mark("stop-build")
    elif phase == "EXPORTING":
        faults.mark("big")
        faults.forget()
    running = faults.start()
    if phase == "DETECTING":
        running.wait_for_file(faults.lab.marks / "detecting")
    elif phase == "BUILDING":
        running.wait_for_file(faults.lab.marks / "building")
    elif phase == "PREPARING":
        running.wait_for_handlers()
    else:
        running.wait_for(f"===> {phase}")
    if phase == "EXPORTING":
        running.wait_for("Saving")
    return running
