"""`<layer>.toml`: LYT-01, LYT-02, GO-10."""

from __future__ import annotations

from itertools import product

import pytest

from pybuild.errors import InvalidFile
from pybuild.spec.api import BUILDPACK_APIS
from pybuild.spec.layer import LayerToml

API = BUILDPACK_APIS[-1]


@pytest.mark.parametrize("flags", list(product((True, False), repeat=3)))
def test_every_combination_of_types_is_valid(flags: tuple[bool, bool, bool]) -> None:
    layer = LayerToml(launch=flags[0], build=flags[1], cache=flags[2], metadata={"a": {"b": 1}})

    assert LayerToml.read(layer.write(), "l.toml", API) == layer


def test_missing_types_are_false() -> None:
    assert LayerToml.read(b"", "l.toml", API) == LayerToml()
    assert LayerToml.read(b"[types]\nother = true\n", "l.toml", API) == LayerToml()


@pytest.mark.parametrize("key", ["launch", "build", "cache"])
def test_types_above_the_table_are_refused_with_what_to_type(key: str) -> None:
    with pytest.raises(InvalidFile, match=f"l.toml: {key}: belongs into the table") as caught:
        LayerToml.read(f"{key} = true\n".encode(), "l.toml", API)

    assert caught.value.hint == f"write [types] above {key}"


def test_a_restored_layer_has_its_metadata_and_no_types() -> None:
    layer = LayerToml(launch=True, metadata={"v": "1"})

    assert layer.write_restored() == b'[metadata]\n  v = "1"\n'
    assert LayerToml(launch=True).write_restored() == b""
