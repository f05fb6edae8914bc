"""`pybuild-pack build` and `rebase`: the lines that scripts look for, of builds that really run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.cli import Lab, Outcome

pytestmark = pytest.mark.docker

KEEPS = 'mkdir -p "$1/deps"; echo x > "$1/deps/file"; printf "[types]\\nlaunch = true\\ncache = true\\n" > "$1/deps.toml"'


def pack(lab: Lab, *args: str) -> Outcome:
    return lab.run("pack-compat", "--", *args, PACK_HOME=str(lab.root / "pack"))


def build(lab: Lab, *args: str) -> Outcome:
    words = ("--builder", lab.builder, "--buildpack", lab.buildpack(build=KEEPS), "--network", "none")
    return pack(lab, "build", lab.name(), "--pull-policy", "if-not-present", *words, *args)


def test_a_build_and_the_next_one_are_told_as_pack_does(lab: Lab) -> None:
    first = build(lab, "--trust-builder")
    again = build(lab, "--trust-builder", "--verbose")

    assert first.code == again.code == 0, first.text() + again.text()
    assert first.stderr == again.stderr == ""
    assert "\nAdding layer 'acme/bp:deps'\n" in first.stdout
    assert "\nAdding cache layer 'acme/bp:deps'\n" in first.stdout
    assert first.stdout.endswith(f"\nSuccessfully built image '{lab.name()}'\n")
    assert '\nRestoring metadata for "acme/bp:deps" from app image\n' in again.stdout
    assert '\nRestoring data for "acme/bp:deps" from cache\n' in again.stdout
    assert "Adding buildpack 'acme/bp' version '1' to builder\n" in again.stdout


def test_lines_of_a_builder_that_is_not_trusted_begin_with_their_program(lab: Lab) -> None:
    told = build(lab).stdout

    assert "\n[exporter] Adding layer 'acme/bp:deps'\n" in told
    assert "\n===> BUILDING\n" in told


def test_quiet_prints_one_line_with_the_digest(lab: Lab) -> None:
    told = build(lab, "--quiet")

    assert re.fullmatch(rf"{lab.name()}@sha256:[0-9a-f]{{64}}\n", told.stdout), told.text()


def test_a_failed_build_ends_with_1_and_packs_beginning_of_the_sentence(lab: Lab) -> None:
    words = ("--builder", lab.builder, "--buildpack", lab.buildpack(detect="exit 100"), "--network", "none")
    told = pack(lab, "build", lab.name(), "--pull-policy", "never", *words)

    assert told.code == 1
    assert told.stderr.startswith("ERROR: failed to build: ")
