"""Trusted builders are matched with their registry."""

from __future__ import annotations

from typing import Any

import pytest

from pybuild.platform.buildpacks.fetch import Fetched
from pybuild.platform.buildpacks.modules import Module
from pybuild.platform.choices import read_choices
from pybuild.platform.trust import is_trusted, trusted_buildpacks
from pybuild.spec.buildpack import Descriptor
from pybuild.spec.config import Config
from pybuild.spec.order import GroupElement, ModuleRef


@pytest.mark.parametrize(
    ("trusted", "builder", "answer"),
    [
        ("acme/builder", "acme/builder:1", True),
        ("acme/builder", "docker.io/acme/builder", True),
        ("acme/builder:1", "acme/builder:1", True),
        ("acme/builder:1", "acme/builder:2", False),
        ("acme/builder", "evil.example.com/acme/builder:1", False),
        ("localhost:5000/builder", "localhost:5000/builder:7", True),
        ("not A name", "acme/builder", False),
    ],
)
def test_a_name_stands_for_its_own_registry_only(trusted: str, builder: str, answer: bool) -> None:
    assert is_trusted(builder, Config(trusted_builders=(trusted,))) is answer


def test_known_builders_and_ours_are_trusted() -> None:
    assert is_trusted("heroku/builder:24", Config())
    assert is_trusted("pybuild/builder:debian-12", Config())
    assert not is_trusted("evil.example.com/heroku/builder:24", Config())


@pytest.mark.parametrize(
    ("builder", "words", "own", "added"),
    [
        ("acme/builder", {}, False, False),
        ("heroku/builder:24", {}, True, False),
        ("heroku/builder:24", {"trust_extra_buildpacks": True}, True, True),
        ("acme/builder", {"trust_extra_buildpacks": True}, False, True),
        ("acme/builder", {"trust_builder": True}, True, True),
    ],
)
def test_a_trusted_builder_vouches_for_the_buildpacks_that_it_has(
    builder: str, words: dict[str, Any], own: bool, added: bool
) -> None:
    """Not for one that is added, which may have the same id."""
    descriptor = Descriptor(api="0.10", id="acme/added", version="2")
    module = Module(descriptor=descriptor, origin="folder", contents=tuple)
    fetched = Fetched(ref=ModuleRef(id="acme/added", version="2"), modules=(module,))

    trusts = trusted_buildpacks(builder, Config(), read_choices(**words), [fetched])

    assert trusts(GroupElement(id="acme/own", version="1")) is own
    assert trusts(GroupElement(id="acme/added", version="1")) is own
    assert trusts(GroupElement(id="acme/added", version="2")) is added
