"""What is remembered of caches: one file for each, believed only if it is whole and this image's (G4, F-22, S-47)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.errors import PybuildError
from pybuild.lifecycle.cache import CacheIndex, KeptLayer
from pybuild.platform.caches import forget, read_index, state_folder, write_index

if TYPE_CHECKING:
    from pathlib import Path

LAYER = KeptLayer(diff_id="", size=0, stamp="x", launch=False, build=True, cache=True)
INDEX = CacheIndex(owner="app:latest", layers={"acme/go": {"dist": LAYER}})


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "pybuild"


def read(owner: str = "app:latest") -> tuple[CacheIndex | None, list[str]]:
    heard: list[events.Event] = []
    with events.listening(heard.append):
        found = read_index("volume", owner)
    return found, [event.text for event in heard if isinstance(event, events.Warned)]


def test_the_state_is_where_the_platform_keeps_it(state: Path) -> None:
    assert state_folder() == state


def test_an_index_is_remembered_until_it_is_forgotten(state: Path) -> None:
    write_index("volume", INDEX)
    assert read() == (INDEX, [])
    assert read_index("other", "app:latest") is None

    forget("volume")
    forget("volume")

    assert read() == (None, [])
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"{}", INDEX.write()[:-1], b"\xff"])
def test_a_damaged_index_is_not_used_and_told(state: Path, content: bytes) -> None:
    state.mkdir()
    (state / "volume.json").write_bytes(content)

    found, warnings = read()

    assert found is None
    assert len(warnings) == 1
    assert warnings[0].startswith(f"the cache is not used: {state}/volume.json")


def test_the_index_of_another_image_is_not_used() -> None:
    """S-47"""
    write_index("volume", INDEX)

    found, warnings = read("other:latest")

    assert found is None
    assert "app:latest" in warnings[0]


def test_a_place_that_cannot_be_written_costs_only_the_next_builds_cache(state: Path) -> None:
    """F-18: a file stands where the folder should be."""
    state.parent.mkdir(exist_ok=True)
    state.write_text("")
    heard: list[events.Event] = []

    with events.listening(heard.append):
        write_index("volume", INDEX)

    assert [type(event) for event in heard] == [events.Warned]
    assert read() == (None, [])


def test_what_cannot_be_forgotten_is_told(state: Path) -> None:
    (state / "volume.json").mkdir(parents=True)

    with pytest.raises(PybuildError, match=r"volume\.json cannot be removed"):
        forget("volume")
