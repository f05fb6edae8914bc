"""Issue 6, 9: every command, good and bad, as exit code, standard output and error in one block; none without both.

The snapshots are files of `snapshots`, one for each command. `PYBUILD_SNAPSHOTS=write` writes them anew: read what changed
before you commit it. Commands that cannot be good without an engine or a registry have their good outcome in other tests,
named in `GOOD_ELSEWHERE`, or in pages of which tests/acceptance/test_documents.py types every command.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from pybuild import __version__
from pybuild.cli.main import cli, run
from support.layouts import CONFIG, LAYER, MANIFEST, LayoutMaker, digest_of, layer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
SNAPSHOTS = Path(__file__).with_name("snapshots")
WRITE = os.environ.get("PYBUILD_SNAPSHOTS") == "write"

# Command lines that work on any machine, in one folder, in this order where one needs another's result.
GOOD: dict[str, tuple[str, ...]] = {
    "version": ("version", "--version"),
    "report": ("report",),
    "builder suggest": ("builder suggest",),
    "buildpack new": ("buildpack new acme/web",),
    "buildpack lint": ("buildpack new acme/web", "buildpack lint web"),
    "buildpack package": ("buildpack new acme/web", "buildpack package web.cnb --path web --format file"),
    "buildpack inspect": (
        "buildpack new acme/web",
        "buildpack package web.cnb --path web --format file",
        "buildpack inspect web.cnb",
    ),
    "extension new": ("extension new acme/tools",),
    "extension package": (
        "extension new acme/tools",
        "extension package tools.cnb --path tools --format file",
    ),
    "extension inspect": (
        "extension new acme/tools",
        "extension package tools.cnb --path tools --format file",
        "extension inspect tools.cnb",
    ),
    "size": ("size oci:image:1",),
    "compare": ("compare oci:image:1 oci:image:1", "compare oci:image:1 oci:image:2"),
    "config": ("config",),
    "config show": ("config show",),
    "config default-builder": ("config default-builder acme/builder", "config default-builder --unset"),
    "config experimental": ("config experimental", "config experimental true"),
    "config lifecycle-image": ("config lifecycle-image acme/lifecycle", "config lifecycle-image"),
    "config pull-policy": ("config pull-policy interval=24h", "config pull-policy"),
    "config registries": ("config registries",),
    "config registries add": ("config registries add team https://git.example.com/index.git --type git",),
    "config registries default": (
        "config registries add team https://git.example.com/index.git --type git",
        "config registries default team",
        "config registries default",
    ),
    "config registries list": ("config registries list",),
    "config registries remove": (
        "config registries add team https://git.example.com/index.git --type git",
        "config registries remove team",
    ),
    "config registry-mirrors": ("config registry-mirrors",),
    "config registry-mirrors add": ("config registry-mirrors add docker.io --mirror mirror.example.com",),
    "config registry-mirrors list": ("config registry-mirrors list",),
    "config registry-mirrors remove": (
        "config registry-mirrors add docker.io --mirror mirror.example.com",
        "config registry-mirrors remove docker.io",
    ),
    "config run-image-mirrors": ("config run-image-mirrors",),
    "config run-image-mirrors add": (
        "config run-image-mirrors add acme/run --mirror mirror.example.com/run",
    ),
    "config run-image-mirrors list": ("config run-image-mirrors list",),
    "config run-image-mirrors remove": (
        "config run-image-mirrors add acme/run --mirror mirror.example.com/run",
        "config run-image-mirrors remove acme/run",
    ),
    "config trusted-builders": ("config trusted-builders",),
    "config trusted-builders add": ("config trusted-builders add acme/builder",),
    "config trusted-builders list": ("config trusted-builders list",),
    "config trusted-builders remove": (
        "config trusted-builders add acme/builder",
        "config trusted-builders remove acme/builder",
    ),
    "config import-pack": ("config import-pack",),
    "signature make-key": ("signature make-key team",),
    "pack-compat": ("pack-compat -- version",),
}

GOOD_ELSEWHERE = {
    "build": "tests/integration/test_everyday.py",
    "completion": "tests/integration/test_shells.py",
    "inspect": "README.md",
    "detect": "docs/how-to/troubleshooting.md",
    "plan": "tests/integration/test_explained.py",
    "run": "tests/integration/test_run_and_debug.py",
    "debug": "tests/integration/test_run_and_debug.py",
    "rebase": "tests/integration/test_rebase.py",
    "builder create": "tests/contract/test_builders.py",
    "builder inspect": "tests/contract/test_builders.py",
    "buildpack pull": "docs/how-to/builders-and-packages.md",
    "buildpack register": "docs/how-to/builders-and-packages.md",
    "buildpack yank": "docs/how-to/builders-and-packages.md",
    "buildpack test": "tests/unit/cli/test_author_commands.py",
    "sbom show": "tests/unit/cli/test_sbom_command.py",
    "sbom download": "tests/unit/cli/test_sbom_command.py",
    "manifest add": "tests/unit/cli/test_manifest_command.py",
    "manifest annotate": "tests/unit/cli/test_manifest_command.py",
    "manifest create": "tests/unit/cli/test_manifest_command.py",
    "manifest inspect": "tests/unit/cli/test_manifest_command.py",
    "manifest push": "tests/unit/cli/test_manifest_command.py",
    "manifest remove": "tests/unit/cli/test_manifest_command.py",
    "manifest rm": "tests/unit/cli/test_manifest_command.py",
    "signature check": "tests/integration/test_supply_chain.py",
    "signature sign": "tests/integration/test_supply_chain.py",
    "lock": "tests/integration/test_lock.py",
    "verify": "tests/integration/test_verify.py",
    "cache ls": "tests/integration/test_cache_command.py",
    "cache prune": "tests/integration/test_cache_command.py",
    "cache rm": "tests/integration/test_cache_command.py",
    "doctor": "docs/how-to/troubleshooting.md",
}

# What is bad beside an option that there is not: each with an engine that does not answer, and nothing in the folder.
BAD: dict[str, tuple[str, ...]] = {
    "build": ("build", "build Not/A/Name", "build app"),
    "detect": ("detect",),
    "plan": ("plan app",),
    "run": ("run app",),
    "debug": ("debug app",),
    "rebase": ("rebase", "rebase app"),
    "inspect": ("inspect", "inspect oci:nowhere", "inspect oci:image:1"),
    "size": ("size oci:nowhere",),
    "compare": ("compare one", "compare oci:nowhere oci:nowhere"),
    "sbom show": ("sbom oci:nowhere",),
    "sbom download": ("sbom download oci:nowhere",),
    "builder create": ("builder create acme/builder", "builder create acme/builder --config nothing.toml"),
    "builder inspect": ("builder inspect acme/builder",),
    "buildpack new": ("buildpack new acme",),
    "buildpack package": ("buildpack package acme/web",),
    "buildpack lint": ("buildpack lint nowhere",),
    "extension new": ("extension new acme",),
    "extension package": ("extension package acme/tools",),
    "lock": ("lock",),
    "verify": ("verify",),
    "cache ls": ("cache ls",),
    "cache rm": ("cache rm app",),
    "cache prune": ("cache prune --unused soon",),
    "completion": ("completion tcsh",),
    "config pull-policy": ("config pull-policy sometimes",),
    "config registries default": ("config registries default nobody",),
    "manifest inspect": ("manifest inspect nothing",),
    "signature make-key": ("signature make-key",),
}


def leaves() -> Iterator[str]:
    """Every command that does something, by its words."""

    def below(command: click.Command, words: tuple[str, ...], parent: click.Context | None) -> Iterator[str]:
        if not isinstance(command, click.Group):
            yield " ".join(words)
            return
        here = click.Context(command, parent=parent, info_name=(words or ("pybuild",))[-1])
        if words and command.invoke_without_command:
            yield " ".join(words)
        for name in command.list_commands(here):
            found = command.get_command(here, name)
            assert found is not None
            yield from below(found, (*words, name), here)

    return below(cli, (), None)


LEAVES = sorted(leaves())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two small images in a layout, a home of its own, and no engine."""
    for name in [name for name in os.environ if name.startswith(("DOCKER_", "PYBUILD_", "XDG_", "CNB_"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    (home / ".pack").mkdir(parents=True)
    (home / ".pack" / "config.toml").write_text('default-builder-image = "acme/builder"\n')
    for name, value in (
        ("HOME", str(home)),
        ("DOCKER_HOST", "unix:///nope/docker.sock"),
        ("COLUMNS", "80"),
        ("NO_COLOR", "1"),
    ):
        monkeypatch.setenv(name, value)
    folder = tmp_path / "here"
    folder.mkdir()
    _images(folder / "image")
    monkeypatch.chdir(folder)
    return folder


def _images(folder: Path) -> None:
    layout = LayoutMaker(folder)
    described = []
    for tag, text in (("1", "one\n"), ("2", "another one\n")):
        tar = layer_of(words=text)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Labels": {"maker": "acme"}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]},
            "history": [{"created_by": "acme"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": layout.json(config, CONFIG),
            "layers": [layout.blob(tar, LAYER)],
        }
        described.append(
            layout.json(manifest, MANIFEST, annotations={"org.opencontainers.image.ref.name": tag})
        )
    index = {"schemaVersion": 2, "manifests": described}
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("command", LEAVES)
def test_a_command_says_what_it_said(command: str, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = [*GOOD.get(command, ()), *BAD.get(command, ()), f"{command} --no-such-option"]

    said = "\n".join(_said(line, place, capfd) for line in lines)

    kept = SNAPSHOTS / f"{command.replace(' ', '-')}.txt"
    if WRITE:
        SNAPSHOTS.mkdir(exist_ok=True)
        kept.write_text(said)
    assert said == kept.read_text("utf-8")


def _said(line: str, place: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """One command line and all that came of it, with what differs from machine to machine replaced."""
    code = run(shlex.split(line))
    out, err = capfd.readouterr()
    shown = f"$ pybuild {line}\nexit {code}\n"
    for name, text in (("stdout", out), ("stderr", err)):
        if text:
            shown += f"--- {name}\n{text}" + ("" if text.endswith("\n") else "\n")
    for pattern, word in (
        (re.escape(str(place)), "FOLDER"),
        (re.escape(str(place.parent / "home")), "HOME"),
        (r"(?m)^( *(?:Version|OS/Arch|Python)): .*$", r"\1 …"),
        (rf"(?m)^{re.escape(__version__)}$", "VERSION"),
        # click's words differ from version to version.
        (r"No such option:? .*", "No such option …"),
    ):
        shown = re.sub(pattern, word, shown)
    return shown


def test_every_command_has_a_good_and_a_bad_outcome() -> None:
    assert sorted({*GOOD, *GOOD_ELSEWHERE}) == LEAVES
    for command, snapshot in ((name, SNAPSHOTS / f"{name.replace(' ', '-')}.txt") for name in LEAVES):
        codes = [int(code) for code in re.findall(r"^exit (\d+)$", snapshot.read_text("utf-8"), re.MULTILINE)]
        assert any(codes), f"{command} has no bad outcome"
        assert command not in GOOD or 0 in codes, f"{command} has no good outcome"


@pytest.mark.parametrize("command", sorted(GOOD_ELSEWHERE))
def test_a_good_outcome_elsewhere_is_there(command: str) -> None:
    """The test that is named types the command, or has the words of it in a row."""
    where = ROOT / GOOD_ELSEWHERE[command]
    text = where.read_text("utf-8")
    if where.suffix == ".md":
        assert f"pybuild {command}" in text
        return

    typed = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}

    assert all(
        any(isinstance(value, str) and word in re.split(r"[^a-z-]", value) for value in typed)
        or f".{word}(" in text
        for word in command.split()
    ), f"{GOOD_ELSEWHERE[command]} does not type {command}"
