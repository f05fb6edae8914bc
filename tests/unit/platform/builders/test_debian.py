"""Where Debian comes from: mirrors and proxies of this machine's apt, and mmdebstrap's command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.platform.builders.debian import archive_here, mmdebstrap
from pybuild.platform.builders.recipe import Recipe
from pybuild.platform.buildpacks.shipped import shipped

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = """\
Packages http://mirror.example/debian/ bookworm main
DEP-11 http://mirror.example/debian/ bookworm main
Packages https://mirror.example/debian/ bookworm-updates main
Packages http://mirror.example/debian/ bookworm-updates contrib
Packages http://mirror.example/debian-security/ bookworm-security main
Packages http://other.example/x nodistro main
"""


@pytest.fixture
def recipe() -> Recipe:
    file = shipped("builder") / "base/debian-12.toml"
    return Recipe.read(file.read_bytes(), file=str(file))


def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, targets: str, proxy: str = "") -> None:
    """An apt of this machine that answers so."""
    for name, said in {"apt-get": targets, "apt-config": proxy}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'E'\n{said}\nE\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def test_this_machines_mirrors_are_used_when_they_serve_every_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    programs(tmp_path, monkeypatch, targets=TARGETS)

    assert archive_here(recipe, {}).sources == (
        "deb http://mirror.example/debian bookworm main",
        "deb http://mirror.example/debian-security bookworm-security main",
        "deb https://mirror.example/debian bookworm-updates main",
    )


@pytest.mark.parametrize("targets", ["", TARGETS.replace("bookworm-security", "jammy-security"), "x"])
def test_else_debians_own_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe, targets: str
) -> None:
    programs(tmp_path, monkeypatch, targets=targets)

    assert archive_here(recipe, {}).sources == recipe.sources


def test_proxies_come_from_apt_and_else_from_the_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    programs(tmp_path, monkeypatch, targets="", proxy='Acquire::http::Proxy "http://apt:3142";')
    assert archive_here(recipe, {"http_proxy": "http://x"}).proxies["http"] == "http://apt:3142"

    programs(tmp_path, monkeypatch, targets="", proxy="")
    assert archive_here(recipe, {"HTTP_PROXY": "http://x"}).proxies == {"http": "http://x"}


def test_nothing_of_this_machine_stays_in_a_bootstrapped_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    programs(tmp_path, monkeypatch, targets=TARGETS, proxy='Acquire::http::Proxy "http://apt:3142";')

    command = mmdebstrap(recipe, archive_here(recipe, {}))

    assert command[-3:] == list(archive_here(recipe, {}).sources)
    assert not [word for word in command if "3142" in word]
    assert [word for word in command if "hostname" in word and "resolv.conf" in word]
