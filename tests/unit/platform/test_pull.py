"""Pull policies and mirrors as words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidInput
from pybuild.oci.reference import Reference
from pybuild.platform import pulled
from pybuild.platform.pull import checked_mirror, checked_policy, interval, mirror_of, mirrored

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [
        ("always", None),
        ("never", None),
        ("hourly", 3600),
        ("weekly", 604800),
        ("interval=90m", 5400),
        ("interval=1d12h", 129600),
    ],
)
def test_a_policy_may_say_how_old_an_image_may_get(policy: str, seconds: float | None) -> None:
    assert interval(checked_policy(policy)) == seconds


@pytest.mark.parametrize("text", ["", "sometimes", "interval=", "interval=5", "interval=-1h", "interval=1h "])
def test_another_word_is_no_policy(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no pull policy"):
        checked_policy(text)


def test_an_image_is_looked_for_on_the_mirror_of_its_registry() -> None:
    name = Reference.parse("acme/run:1")

    assert str(mirrored(name, {"docker.io": "mirror.example.com"})) == "mirror.example.com/acme/run:1"
    assert str(mirrored(name, {"*": "mirror.example.com"})) == "mirror.example.com/acme/run:1"
    assert mirrored(name, {"other.example.com": "mirror.example.com"}) is None


@pytest.mark.parametrize("text", [f"acme/run@sha256:{'0' * 64}", "pybuild/run:debian-12", "m.example.com/x"])
def test_digests_our_own_images_and_those_of_the_mirror_have_no_mirror(text: str) -> None:
    assert mirrored(Reference.parse(text), {"*": "m.example.com"}) is None


def test_docker_hub_has_two_names_and_a_path_is_no_registry() -> None:
    for name in ("docker.io", "index.docker.io"):
        assert mirror_of("docker.io", dict([checked_mirror(name, "m.example.com")])) == "m.example.com"
    assert mirror_of("other.example.com", {"index.docker.io": "m.example.com"}) == ""
    with pytest.raises(InvalidInput, match="is no registry"):
        checked_mirror("docker.io", "m.example.com/path")
    with pytest.raises(InvalidInput, match="is no registry"):
        checked_mirror("docker.io", "*")


def test_when_an_image_was_pulled_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    name = Reference.parse("acme/run:1")

    assert pulled.age(name) == math.inf
    pulled.remember(name)
    assert pulled.age(name) < 60
    assert pulled.age(Reference.parse("acme/run:2")) == math.inf
