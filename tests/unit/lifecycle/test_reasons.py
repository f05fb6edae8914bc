"""Why a layer is what it is, in sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pybuild.lifecycle.cache import CacheIndex, KeptApp, KeptLayer
from pybuild.lifecycle.reasons import APP_UNCHANGED, UNCHANGED, after_all, is_missed, why_app, why_made

INDEX = CacheIndex(owner="app")
DIFF_ID = f"sha256:{'0' * 64}"


def kept(metadata: Any = None, *, cache: bool = True) -> KeptLayer:
    return KeptLayer(
        diff_id=DIFF_ID, size=1, stamp="s", launch=True, build=False, cache=cache, metadata=metadata
    )


def app(upload: str = "a") -> KeptApp:
    return KeptApp(upload=upload, tar_terms="", slices=(), layers=((DIFF_ID, 1),))


def test_a_first_build_and_a_new_layer_have_nothing_to_use() -> None:
    assert why_made(None, None, {}, cached=True) == "no earlier build left anything to use"
    assert why_made(None, INDEX, {}, cached=True) == "the build before had no such layer"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"v": "1"}, {"v": "2"}, 'v "1" → "2"'),
        ({"php": {"v": 1}}, {"php": {"v": 2}}, "php.v 1 → 2"),
        ({}, {"lock": "abc"}, 'lock none → "abc"'),
        ({"lock": "abc"}, None, '{"lock": "abc"} → none'),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, {"a": 2, "b": 2, "c": 2, "d": 1}, "a 1 → 2, b 1 → 2 and 1 more"),
        ({"sum": "x" * 64}, {"sum": "y" * 64}, f'sum "{"x" * 30}… → "{"y" * 30}…'),
    ],
)
def test_metadata_that_changed_is_named_with_both_values(old: Any, new: Any, told: str) -> None:
    assert why_made(kept(old), INDEX, new, cached=True) == f"its metadata changed: {told}"


def test_metadata_of_any_depth_is_no_trouble() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}

    assert why_made(kept(deep), INDEX, {"a": 2}, cached=True).startswith("its metadata changed: a")


def test_with_the_same_metadata_the_cache_decides_what_is_said() -> None:
    assert why_made(kept(), INDEX, None, cached=False).endswith("in every build, for it is not cached")
    assert why_made(kept(cache=False), INDEX, None, cached=True) == "the build before did not cache it"
    assert why_made(kept(), INDEX, None, cached=True) == "its buildpack changed files of it"


def test_a_cached_layer_is_missed_when_nothing_or_another_one_was_kept() -> None:
    assert is_missed(None, None)
    assert is_missed(kept(cache=False), None)
    assert is_missed(kept({"v": 1}), {"v": 2})
    assert not is_missed(kept({"v": 1}), {"v": 1})


@pytest.mark.parametrize(
    ("before", "upload", "told"),
    [
        (None, "a", "no earlier build left anything to use"),
        (app("a"), "b", "files of the app changed"),
        (app("a"), "", "a buildpack changes the app while it is built"),
        (app(""), "a", "a buildpack changed the app in the build before"),
        (replace(app("a"), slices=(("x",),)), "a", "its slices or owner changed"),
    ],
)
def test_why_the_app_was_packed(before: KeptApp | None, upload: str, told: str) -> None:
    assert why_app(before, upload) == told


@pytest.mark.parametrize(
    ("reason", "reused", "earlier", "told"),
    [
        (UNCHANGED, True, True, UNCHANGED),
        (APP_UNCHANGED, False, True, "the app did not change, but the image before does not have it"),
        ("its files changed", True, True, "the same contents as before, though its files changed"),
        ("its files changed", False, True, "its files changed"),
        ("", True, True, "the same contents as before"),
        ("", False, True, "its contents changed"),
        ("", False, False, "there is no image from before"),
    ],
)
def test_the_contents_have_the_last_word(reason: str, reused: bool, earlier: bool, told: str) -> None:
    assert after_all(reason, reused=reused, earlier=earlier) == told
