"""The settings of this machine: changed whole or not at all, one at a time."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.errors import InvalidFile
from pybuild.platform import config as settings
from pybuild.spec.config import Config

if TYPE_CHECKING:
    from pathlib import Path


def test_a_missing_file_sets_nothing(tmp_path: Path) -> None:
    assert settings.load({"PYBUILD_CONFIG": str(tmp_path / "none.toml")}) == Config()


def test_a_folder_in_its_place_is_warned_of_and_sets_nothing(tmp_path: Path) -> None:
    told: list[events.Event] = []

    with events.listening(told.append):
        found = settings.load({"PYBUILD_CONFIG": str(tmp_path)})

    assert found == Config()
    assert [event for event in told if isinstance(event, events.Warned)]


def test_a_broken_file_is_an_error_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("pull-policy = [")

    with pytest.raises(InvalidFile):
        settings.change({"PYBUILD_CONFIG": str(file)}, lambda config: config)

    assert file.read_text() == "pull-policy = ["


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(settings.ConfigUnwritable, match="cannot be changed"):
        settings.change(
            {"PYBUILD_CONFIG": str(tmp_path / "file" / "config.toml")},
            lambda config: replace(config, pull_policy="never"),
        )


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    environ = {"PYBUILD_CONFIG": str(tmp_path / "config.toml")}

    def add(name: str) -> None:
        settings.change(
            environ, lambda config: replace(config, trusted_builders=(*config.trusted_builders, name))
        )

    threads = [threading.Thread(target=add, args=(f"acme/{number}",)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(settings.load(environ).trusted_builders) == 12


def test_a_link_to_the_settings_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "config.toml"
    real.touch()
    link.symlink_to(real)

    settings.change({"PYBUILD_CONFIG": str(link)}, lambda config: replace(config, pull_policy="never"))

    assert link.is_symlink()
    assert real.read_text() == 'pull-policy = "never"\n'


def test_packs_settings_are_taken_over_where_ours_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "config.toml").write_text('pull-policy = "always"\ndefault-builder-image = "a/b"\n')
    environ = {"PYBUILD_CONFIG": str(tmp_path / "config.toml"), "PACK_HOME": str(tmp_path / "pack")}
    settings.change(environ, lambda config: replace(config, pull_policy="never"))

    found = settings.import_pack(environ)

    assert (found.pull_policy, found.default_builder) == ("never", "a/b")


def test_without_settings_of_pack_the_import_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="pack has no settings"):
        settings.import_pack({"PACK_HOME": str(tmp_path), "PYBUILD_CONFIG": str(tmp_path / "config.toml")})
