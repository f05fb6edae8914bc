"""`pybuild-pack build` and `rebase`: the lines that scripts look for, of builds that really run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.buildpacks import Folders

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


def test_sboms_and_the_report_of_a_build_are_written_where_the_user_wants_them(lab: Lab) -> None:
    folders = Folders(lab.root / "cnb")
    folders.buildpack(
        "acme/sbom",
        about='sbom-formats = ["application/vnd.cyclonedx+json"]',
        build=f'{KEEPS}; echo \'{{"a": 1}}\' > "$1/deps.sbom.cdx.json"',
    )
    out = lab.root / "out"

    done = lab.run(
        *(
            "build",
            lab.name(),
            "--builder",
            lab.builder,
            "--network",
            "none",
            "--sbom-output-dir",
            str(out / "sbom"),
        ),
        *("--buildpack", str(folders.buildpacks / "acme_sbom" / "1"), "--report-output-dir", str(out)),
    )

    assert done.code == 0, done.text()
    assert (out / "sbom/launch/acme_sbom/deps/sbom.cdx.json").read_text() == '{"a": 1}\n'
    assert f'tags = ["{lab.name()}:latest"]' in (out / "report.toml").read_text()


def test_an_execution_environment_chooses_variables_and_buildpacks_of_project_toml(lab: Lab) -> None:
    for name in ("one", "two"):
        Folders(lab.app / "cnb").buildpack(
            f"acme/{name}", build=f'echo "ran {name}, MODE=$MODE, for $CNB_EXEC_ENV"'
        )
    (lab.app / "project.toml").write_text(
        """\
[_]
schema-version = "0.3"
[[io.buildpacks.group]]
uri = "cnb/buildpacks/acme_one/1"
exec-env = ["test"]
[[io.buildpacks.group]]
uri = "cnb/buildpacks/acme_two/1"
[[io.buildpacks.build.env]]
name = "MODE"
value = "testing"
exec-env = ["test"]
"""
    )
    words = ("build", lab.name(), "--builder", lab.builder, "--network", "none")

    usual = lab.run(*words)
    test = lab.run(*words, "--exec-env", "test")

    assert usual.code == test.code == 0, usual.text() + test.text()
    assert "ran one" not in usual.stderr
    assert "ran two, MODE=, for " in usual.stderr
    assert "ran one, MODE=testing, for " in test.stderr
