"""Trusted builders are matched with their registry."""

from __future__ import annotations

import pytest

from pybuild.platform.trust import is_trusted
from pybuild.spec.config import Config


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
