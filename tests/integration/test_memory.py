"""A build needs little memory, whatever the size of its layers (issue 3: at most 120 MB)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.cli import Lab

pytestmark = pytest.mark.docker

FILES, EACH = 5_000, 20_480
# Without a program per file, which would take longer than all the rest.
MANY_FILES = f"""
cd "$1"; mkdir many; v=0123456789abcdef0123456789abcdef01234567; i=0
while [ ${{#v}} -lt {EACH} ]; do v=$v$v; done
while [ $i -lt {FILES} ]; do printf '%s' "$v" > many/file-$i; i=$((i + 1)); done
printf '[types]\\nlaunch = true\\ncache = true\\n' > many.toml
"""


@pytest.mark.parametrize("dependency", ["cold", "changed"])
def test_a_layer_of_100_mb_and_many_files_passes_through_little_memory(lab: Lab, dependency: str) -> None:
    words = ["--buildpack", lab.buildpack(build=MANY_FILES)]
    if dependency == "changed":
        # The same metadata again: the layer waits in a file until it is known whether it is the same.
        assert lab.build(*words).code == 0
        lab.buildpack(build='rm -rf "$1/many"' + MANY_FILES.replace("abcdef", "fedcba"))

    running = lab.start_build(*words)
    peak = running.peak_memory()

    assert running.process.returncode == 0, running.stderr
    assert 10_000_000 < peak < 120_000_000
