"""What comes from outside into a real build: an app of oddities, labels that somebody forged, a clock that is wrong, what vanishes.

Reliability: G1, G4, G8; S-07, S-08, S-10, S-11, S-28, F-23, F-24.
"""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import ExportError
from pybuild.oci import model
from pybuild.oci.reference import Reference
from pybuild.stores.daemon import DaemonStore
from support.buildpacks import SERVE
from support.engine import gnu_files, image_of_files
from support.faults import Faults

if TYPE_CHECKING:
    from pybuild.stores.api import Layer
    from support.cli import Lab

pytestmark = pytest.mark.docker

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.fixture
def faults(lab: Lab) -> Faults:
    return Faults(lab)


def test_an_app_of_oddities_is_in_the_image_as_it_is_and_nothing_beside_it(lab: Lab) -> None:
    """S-07, S-08, S-10, S-11: links that lead out, what no image can have, names of any bytes, folders without end."""
    links = {
        "abs": "/etc/passwd",
        "rel": "../../outside",
        "loop": "loop",
        "root": "/",
        "me": "/proc/self/environ",
    }
    for name, target in links.items():
        (lab.app / name).symlink_to(target)
    odd = [b"\xff\xfe", b"new\nline", b"\x1b[2J", b"tab\t", b"back\\slash", b"-rf", b"n" * 255, "ü".encode()]
    for each in odd:
        (lab.app / os.fsdecode(each)).write_text("odd")
    os.mkfifo(lab.app / "pipe")
    handle = os.open(lab.app, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(30):
        os.mkdir("d" * 100, dir_fd=handle)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(os.open("deep", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(lab.app / "sock"))
        outcome = lab.build("--buildpack", lab.buildpack(build=SERVE))

    assert outcome.code == 0, outcome.text()
    assert "pipe is a FIFO" in outcome.stderr
    assert "sock is a socket" in outcome.stderr
    assert "\x1b" not in outcome.stderr
    there = app_of(lab)
    assert {name: there[name].linkname for name in links} == links
    assert [name for name in map(os.fsdecode, odd) if not there[name].isreg()] == []
    assert there["/".join(["d" * 100] * 30 + ["deep"])].isreg()
    assert {"pipe", "sock"} & set(there) == set()


def app_of(lab: Lab) -> dict[str, tarfile.TarInfo]:
    """The app in the image: what each path in it is."""
    assert lab.engine is not None
    made = lab.engine.create_container(lab.name(), labels={"pybuild.test": lab.prefix})
    try:
        pieces, _ = lab.engine.get_archive(made, "/workspace")
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces)), errors="surrogateescape") as opened:
            return {member.name.partition("/")[2]: member for member in opened}
    finally:
        lab.engine.remove_container(made, force=True)


FORGED = {
    "buildpacks": [
        {
            "key": "../../../etc",
            "version": "1",
            "layers": {"x": {"sha": f"sha256:{'0' * 64}", "launch": True}},
        },
        {"key": "acme/bp", "version": "1", "layers": {"../../workspace/slip": {"sha": "x", "cache": True}}},
    ],
    "runImage": {"topLayer": "../../x", "reference": "evil/run"},
}


def test_labels_that_somebody_forged_cost_only_the_reuse(faults: Faults) -> None:
    """S-28, G4: the image of that name was replaced by one that says what it wants."""
    lab = faults.lab
    assert lab.engine is not None
    store = DaemonStore(lab.engine)
    found = store.find(Reference.parse(lab.name()))
    assert found is not None
    inner = dict(found.config["config"])
    labels = {**inner["Labels"], "io.buildpacks.lifecycle.metadata": json.dumps(FORGED)}
    forged = model.encode_config({**found.config, "config": {**inner, "Labels": labels}})
    none: tuple[Layer, ...] = ()
    store.write(found, none, lambda _: forged, (Reference.parse(lab.name()),), None)
    assert lab.image_id() != faults.first

    outcome = lab.build(*faults.words)

    assert outcome.code == 0, outcome.text()
    assert "Warning: " in outcome.stderr
    faults.check_unharmed()
    faults.check_next_build()


def test_a_run_image_that_vanishes_during_a_build_is_told_by_its_name(lab: Lab) -> None:
    """F-23, G1: nothing else on the engine has its layers."""
    assert lab.engine is not None
    (lab.root / "mark").write_text(lab.prefix)
    run_image = next(image_of_files(lab.engine, lab.name("run"), {**gnu_files(), "mark": lab.root / "mark"}))
    waits = "touch /marks/building; until [ -e /marks/go ]; do sleep 0.1; done\n"
    words = ["--buildpack", lab.buildpack(build=waits + SERVE)]
    running = lab.start_build(*words, "--run-image", run_image)
    running.wait_for_file(lab.marks / "building")

    lab.engine.remove_image(run_image, force=True)
    (lab.marks / "go").touch()
    outcome = running.end()

    outcome.failed(ExportError.exit_code, f"no longer has the image {run_image}")
    assert lab.image_id() == ""
    assert lab.leftovers() == []
    assert lab.build(*words).code == 0, "with the builder's own run image"


@pytest.mark.skipif(not FAKETIME.is_file(), reason="needs libfaketime (apt-get install faketime)")
@pytest.mark.parametrize("shift", ["-10y", "+10y", "back in the middle"])
def test_a_clock_that_is_wrong_decides_nothing(faults: Faults, shift: str) -> None:
    """F-24: neither deadlines nor the cache nor the image depend on what time it is."""
    clock = faults.lab.root / "clock"
    clock.write_text("+2y" if shift == "back in the middle" else shift)
    wrong = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    faults.mark("stop-build")
    running = faults.lab.start_build(*faults.words, "--timeout", "60", **wrong)
    running.wait_for_file(faults.lab.marks / "building")
    if shift == "back in the middle":
        clock.write_text("-2y")
    faults.mark("building", there=False)
    outcome = running.end()

    assert outcome.code == 0, outcome.text()
    assert "layer: kept" in outcome.stderr
    faults.check_unharmed()
    faults.check_next_build()
