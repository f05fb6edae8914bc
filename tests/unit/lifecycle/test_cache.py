"""The cache index: what is written can be read again, and no damage to it is ever believed (G4, CCH-02, CCH-04)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybuild.errors import InvalidFile
from pybuild.lifecycle.cache import CacheIndex, KeptApp, KeptLauncher, KeptLayer
from pybuild.spec.labels import LauncherIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

SHA = "sha256:" + "a" * 64
IDENTITY = LauncherIdentity(version="0.21", repository="example.com/lifecycle", commit="abc")
LAYER = KeptLayer(
    diff_id=SHA,
    size=1024,
    stamp="b" * 64,
    launch=True,
    build=False,
    cache=True,
    metadata={"version": "1 <&>", "n": 9007199254740993, "f": 0.5, "list": [True, None], "é": {}},
    sboms={"sbom.cdx.json": "c" * 64},
    tar_terms="1000:1000 /layers:755:1000:1000",
)
INDEX = CacheIndex(
    owner="app:latest",
    layers={"acme/go": {"dist": LAYER}},
    app=KeptApp(
        upload="d" * 64, tar_terms="", slices=(("a", "b/*"), ()), layers=((SHA, 1), (SHA, 2), (SHA, 3))
    ),
    launchers={SHA: KeptLauncher(diff_id=SHA, size=5, identity=IDENTITY)},
)
"""One of everything."""


@pytest.mark.parametrize("index", [INDEX, CacheIndex(owner="")], ids=["full", "empty"])
def test_an_index_comes_back_as_it_was_written(index: CacheIndex) -> None:
    assert CacheIndex.read(index.write(), where="index") == index


def test_an_index_finds_layers_by_buildpack_and_name() -> None:
    assert INDEX.layer("acme/go", "dist") == LAYER
    assert INDEX.layer("acme/go", "other") is None
    assert INDEX.layer("other", "dist") is None


@pytest.mark.parametrize("metadata", [None, {}, "text", 5, [1, {"a": "b"}]])
def test_metadata_of_any_shape_survives(metadata: Any) -> None:
    """Buildpacks that write no table there get back what they wrote."""
    layer = KeptLayer(diff_id="", size=0, stamp="", launch=False, build=False, cache=True, metadata=metadata)

    read = CacheIndex.read(CacheIndex(owner="", layers={"a": {"b": layer}}).write(), where="index")

    assert read.layers["a"]["b"].metadata == metadata


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'"x"',
        b"{}",
        b'{"format": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b"\0" * 100,
    ],
)
def test_what_is_no_index_is_not_believed(text: bytes) -> None:
    with pytest.raises(InvalidFile, match=r"^index"):
        CacheIndex.read(text, where="index")


def damaged(change: Callable[[Any], object]) -> bytes:
    raw = json.loads(INDEX.write())
    change(raw)
    return json.dumps(raw).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.update(format=99),
        lambda raw: raw.update(format="2"),
        lambda raw: raw.pop("owner"),
        lambda raw: raw.update(owner=None),
        lambda raw: raw.update(layers=[]),
        lambda raw: raw.update(layers=None),
        lambda raw: raw["layers"].update({"acme/go": 5}),
        lambda raw: raw["layers"]["acme/go"].update(dist=None),
        lambda raw: raw["layers"]["acme/go"]["dist"].pop("stamp"),
        lambda raw: raw["layers"]["acme/go"]["dist"].update(stamp=5),
        lambda raw: raw["layers"]["acme/go"]["dist"].update(size="1"),
        lambda raw: raw["layers"]["acme/go"]["dist"].update(size=-1),
        lambda raw: raw["layers"]["acme/go"]["dist"].update(size=True),
        lambda raw: raw["layers"]["acme/go"]["dist"].update(diff_id="sha256:short"),
        lambda raw: raw["layers"]["acme/go"]["dist"].update(sboms=[]),
        lambda raw: raw["layers"]["acme/go"]["dist"].update(sboms={"sbom.cdx.json": None}),
        lambda raw: raw["layers"]["acme/go"].update({"../../etc": raw["layers"]["acme/go"]["dist"]}),
        lambda raw: raw["app"].update(slices=5),
        lambda raw: raw["app"].update(slices=[[5]]),
        lambda raw: raw["app"].update(layers=[["sha256:x"]]),
        lambda raw: raw["app"].update(layers=[[SHA, 1, 2]]),
        lambda raw: raw["app"]["layers"].pop(),
        lambda raw: raw["app"].pop("upload"),
        lambda raw: raw.update(app=[1]),
        lambda raw: raw.pop("launchers"),
        lambda raw: raw.update(launchers={"x": SHA}),
    ],
)
def test_damage_anywhere_is_noticed(change: Callable[[Any], object]) -> None:
    with pytest.raises(InvalidFile, match=r"^index"):
        CacheIndex.read(damaged(change), where="index")


@given(st.integers(0, len(INDEX.write()) - 1), st.binary(max_size=3))
def test_a_damaged_byte_is_an_error_or_another_value_but_never_a_crash(at: int, instead: bytes) -> None:
    text = INDEX.write()
    text = text[:at] + instead + text[at + 1 :]
    try:
        read = CacheIndex.read(text, where="index")
    except InvalidFile:
        return
    # What was believed can be written, and believed again.
    assert CacheIndex.read(read.write(), where="index") == read


@given(st.integers(0, len(INDEX.write()) - 1))
def test_a_cut_index_is_not_believed(length: int) -> None:
    with pytest.raises(InvalidFile):
        CacheIndex.read(INDEX.write()[:length], where="index")
