"""What a build finds damaged: the cache, what is remembered of it, disks that are full, read-only or not there.

After each the build succeeds or is one clear error, and the next one has a cache again. Reliability: G4, F-05, F-06,
F-22, F-30, S-26.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import DiskFull
from support.disks import full, tiny_disk
from support.faults import Faults

if TYPE_CHECKING:
    from support.cli import Lab

pytestmark = pytest.mark.docker


@pytest.fixture
def faults(lab: Lab) -> Faults:
    return Faults(lab)


def in_volume(lab: Lab, script: str) -> None:
    """Run a script as root with the app's cache volume as working directory."""
    assert lab.engine is not None
    (volume,) = [name for name in lab.caches() if "clean" not in name]
    made = lab.engine.create_container(
        lab.builder,
        entrypoint=["/bin/sh", "-ec", f"cd /cache\n{script}"],
        command=[],
        user="0:0",
        labels={"pybuild.test": lab.prefix},
        host_config=lab.engine.create_host_config(binds=[f"{volume}:/cache"]),
    )
    try:
        lab.engine.start(made)
        assert lab.engine.wait(made)["StatusCode"] == 0, lab.engine.logs(made)
    finally:
        lab.engine.remove_container(made, force=True)


DROPPED = 'Not restoring "acme/bp:deps" from cache: '
DAMAGE = {
    "one byte, same size and time": "touch -r acme_bp/deps/data t; printf X | dd of=acme_bp/deps/data conv=notrunc bs=1"
    " 2>/dev/null; touch -r t acme_bp/deps/data; rm t",
    "truncated": ": > acme_bp/deps/data",
    "gone": "rm acme_bp/deps/data",
    "another file": "echo more > acme_bp/deps/more",
    "a folder instead": "rm acme_bp/deps/data; mkdir acme_bp/deps/data",
    "a link instead": "rm acme_bp/deps/data; ln -s /etc/passwd acme_bp/deps/data",
    "another mode": "chmod 4755 acme_bp/deps/data",
    "another owner": "rm acme_bp/deps/data; echo 'data of version 1' > acme_bp/deps/data",
    "the layer is gone": "rm -r acme_bp/deps",
    "the layer is a link": "mv acme_bp/deps other; ln -s ../other acme_bp/deps",
    "everything is gone": "rm -r acme_bp",
    "the folder is a file": "rm -r acme_bp; echo hello > acme_bp",
    "the folder is a link out": "rm -r acme_bp; ln -s /etc acme_bp",
    "strange names": "mkdir -- 'a b' '-rf'; touch 'x\ny' .hidden; mkfifo fifo",
    "another layer": "mkdir -p acme_bp/extra; echo '[types]' > acme_bp/extra.toml",
    "unreadable": "chmod 0 acme_bp/deps",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_cache_is_noticed_and_never_fails_a_build(faults: Faults, damage: str) -> None:
    """F-22, G4, S-26: the build succeeds, and its image is a clean build's; a layer that is not used is named."""
    in_volume(faults.lab, damage)

    outcome = faults.lab.build(*faults.words)

    assert outcome.code == 0, outcome.text()
    dropped = [line for line in outcome.stderr.splitlines() if line.startswith(DROPPED)]
    assert len(dropped) == ("layer: made" in outcome.stderr), outcome.text()
    faults.check_unharmed()
    assert "layer: kept" in faults.lab.build(*faults.words).stderr, "the build after that has a cache again"


INDEX = {
    "empty": b"",
    "garbage": b"\x00\xff\xfe garbage",
    "cut": b'{"version":',
    "another shape": b"[1, 2, 3]",
    "wrong types": b'{"version":1,"owner":3,"layers":{"acme/bp":[]}}',
    "deep": b"[" * 100_000,
    "names that leave": b'{"version":1,"owner":"x","layers":{"../../etc":{"../../x":{}}}}',
}


@pytest.mark.parametrize("content", INDEX.values(), ids=INDEX.keys())
def test_a_damaged_index_of_the_cache_never_fails_a_build(faults: Faults, content: bytes) -> None:
    """F-22, F-30, G4."""
    (index,) = faults.lab.state.glob("*.json")
    index.write_bytes(content)

    outcome = faults.lab.build(*faults.words)

    assert outcome.code == 0, outcome.text()
    faults.check_unharmed()
    faults.check_next_build()


def test_an_index_that_is_a_folder_never_fails_a_build(faults: Faults) -> None:
    """F-22, G4: nor does one that cannot be replaced."""
    (index,) = faults.lab.state.glob("*.json")
    index.unlink()
    index.mkdir()

    outcome = faults.lab.build(*faults.words)

    assert outcome.code == 0, outcome.text()
    assert "cannot be remembered" in outcome.stderr
    faults.check_unharmed()


def test_a_full_disk_for_the_state_only_costs_the_next_builds_cache(faults: Faults) -> None:
    """F-05, F-06, G4."""
    with tiny_disk("64k") as disk:
        full(disk)
        outcome = faults.lab.build(*faults.words, XDG_STATE_HOME=str(disk))
    # Made anew, since nobody knew it, the layer is none that the old record is of.
    faults.remembered = False

    assert outcome.code == 0, outcome.text()
    assert "cannot be remembered" in outcome.stderr
    faults.check_unharmed()
    faults.check_next_build()


def test_a_read_only_home_only_costs_the_next_builds_cache(faults: Faults) -> None:
    """F-06."""
    with tiny_disk("64k", read_only=True) as disk:
        outcome = faults.lab.build(*faults.words, HOME=str(disk), XDG_STATE_HOME="")
    faults.remembered = False

    assert outcome.code == 0, outcome.text()
    assert "cannot be remembered" in outcome.stderr
    faults.check_unharmed()
    faults.check_next_build()


def test_a_full_temporary_folder_is_told_or_does_not_matter(faults: Faults) -> None:
    """F-06: E0 when something has to be written there, and success when nothing has."""
    archive = faults.lab.root / "bp.tgz"
    subprocess.run(["tar", "-czf", archive, "-C", faults.words[1], "."], check=True)
    with tiny_disk("64k") as disk:
        full(disk)
        outcome = faults.lab.build("--buildpack", str(archive), TMPDIR=str(disk))

    if outcome.code:
        outcome.failed(DiskFull.exit_code, "no space left")
    faults.check_unharmed()
    faults.check_next_build()


def test_a_temporary_folder_that_does_not_exist_is_told_or_does_not_matter(faults: Faults) -> None:
    """F-06."""
    outcome = faults.lab.build(*faults.words, TMPDIR="/no/such/folder")

    assert outcome.code == 0, outcome.text()
    faults.check_unharmed()
