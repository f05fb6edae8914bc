"""config.toml: our settings in `pack`'s shape."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.spec.config import OFFICIAL_REGISTRY, Config, IndexRegistry
from pybuild.spec.run_image import RunImageName

PACKS = b"""\
default-builder-image = "acme/builder:1"
pull-policy = "never"
experimental = true
layout-repo-dir = "/home/me/.pack/layout-repo"

[[run-images]]
image = "acme/run"
mirrors = ["a.example.com/run"]

[[trusted-builders]]
name = "acme/builder"

[[registries]]
name = "mine"
type = "git"
url = "https://example.com/index"

[registry-mirrors]
"*" = "mirror.example.com:5000"
"""


def test_packs_own_file_is_read() -> None:
    config = Config.read(PACKS, "config.toml")

    assert config.default_builder == "acme/builder:1"
    assert config.run_images == (RunImageName(image="acme/run", mirrors=("a.example.com/run",)),)
    assert config.trusted_builders == ("acme/builder",)
    assert config.registry("mine") == IndexRegistry(name="mine", type="git", url="https://example.com/index")
    assert config.registry_mirrors == {"*": "mirror.example.com:5000"}


def test_what_is_written_is_read_as_the_same_with_keys_that_are_not_ours() -> None:
    config = Config.read(PACKS, "config.toml")

    assert Config.read(config.write(), "again") == config
    assert config.other == {"layout-repo-dir": "/home/me/.pack/layout-repo"}


def test_nothing_set_is_an_empty_file() -> None:
    assert Config().write() == b""


def test_the_official_registry_is_the_default_until_another_is() -> None:
    mine = IndexRegistry(name="mine", type="git", url="https://example.com/index")

    assert Config(registries=(mine,)).registry() == OFFICIAL_REGISTRY
    assert Config(registries=(mine,), default_registry="mine").registry() == mine
    assert Config().registry("mine") is None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"experimental = 1", "experimental: expected true or false"),
        (b'[[registries]]\nname = "a"\nurl = "b"\ntype = "svn"', "registries[0].type: expected one of"),
        (b"[[trusted-builders]]", "trusted-builders[0].name: expected a string"),
    ],
)
def test_a_broken_file_is_told_with_its_place(text: bytes, place: str) -> None:
    """F-30."""
    with pytest.raises(InvalidFile, match=r"config\.toml") as raised:
        Config.read(text, "config.toml")

    assert place in str(raised.value)
