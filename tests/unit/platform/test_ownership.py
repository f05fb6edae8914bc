"""Whose an object on the engine is, and whether its maker still lives."""

from __future__ import annotations

import os
import subprocess

import pytest

from pybuild.platform import ownership
from pybuild.platform.volumes import volume_name


def test_what_this_process_made_is_ours_and_alive() -> None:
    labels = ownership.labels("build", image="app", builder="b")

    assert ownership.is_ours(labels, "build")
    assert not ownership.is_ours(labels, "cache")
    assert not ownership.maker_is_dead(labels)
    assert ownership.age(labels) < 60


def test_a_process_that_ended_is_dead() -> None:
    child = subprocess.Popen(["true"])
    child.wait()

    assert ownership.maker_is_dead(_labels(f"{child.pid}/1"))


def test_another_process_with_the_same_number_is_not_the_maker() -> None:
    assert ownership.maker_is_dead(_labels(f"{os.getpid()}/1"))


@pytest.mark.parametrize("process", ["", "x/1", "-1/1", "99999999999999999999/"])
def test_a_label_that_tells_nothing_kills_nobody(process: str) -> None:
    labels = _labels(process) | {ownership.CREATED: "junk"}

    assert not ownership.maker_is_dead(labels | {ownership.HOST: "elsewhere"})
    assert ownership.age(labels) == 0


def test_a_process_of_another_host_is_never_called_dead() -> None:
    labels = _labels("1/1") | {ownership.HOST: "elsewhere"}

    assert not ownership.maker_is_dead(labels)


@pytest.mark.parametrize("labels", [None, {}, {"a": "b"}])
def test_objects_without_our_labels_are_strangers(labels: dict[str, str] | None) -> None:
    assert not ownership.is_ours(labels, "build")


class TestVolumeName:
    def test_it_can_be_read_and_is_a_volumes_name(self) -> None:
        name = volume_name("registry.example:5000/team/My_App:latest", "builder")

        assert name.startswith("pybuild-cache-my-app-latest-")
        assert len(name.rpartition("-")[2]) == 12

    def test_apps_and_keys_are_told_apart(self) -> None:
        """S-47"""
        names = {volume_name(image, key) for image in ("a/app", "b/app") for key in ("x", "y")}

        assert len(names) == 4

    def test_a_name_of_nothing_readable_and_a_very_long_one_still_have_one(self) -> None:
        assert volume_name("///", "x").startswith("pybuild-cache-app-")
        assert len(volume_name("x" * 500, "x")) < 60


def _labels(process: str) -> dict[str, str]:
    return ownership.labels("build", image="app", builder="b") | {ownership.PROCESS: process}


def test_a_living_makers_clock_does_not_count() -> None:
    """F-24: it may be ten years behind, and the container of a moment ago not started yet."""
    mine = ownership.labels("build", image="app", builder="b") | {ownership.CREATED: "1"}

    assert not ownership.is_abandoned(mine, 3600)
    assert ownership.is_abandoned(mine | {ownership.HOST: "elsewhere"}, 3600)
