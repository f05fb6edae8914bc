"""What we remember of caches between builds: one small file for each cache volume, on this machine.

The volume holds the layers; what is believed of them stands here, where no buildpack can write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import platformdirs

from pybuild import events
from pybuild.errors import InvalidFile, PybuildError
from pybuild.stores.state import read_state, remove_state, write_state

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.lifecycle.cache import CacheIndex


def state_folder() -> Path:
    """Where we remember caches: `$XDG_STATE_HOME/pybuild` or what the platform has for it."""
    return platformdirs.user_state_path("pybuild")


def _index_path(volume: str) -> Path:
    return state_folder() / f"{volume}.json"


def read_index(volume: str, owner: str) -> CacheIndex | None:
    """What the last good build of the image `owner` left; None, with a word, when that cannot be believed (G4, S-47)."""
    from pybuild.lifecycle.cache import CacheIndex

    path = _index_path(volume)
    text = read_state(path)
    if text is None:
        return None
    try:
        index = CacheIndex.read(text, where=str(path))
        if index.owner != owner:
            raise InvalidFile(f"{path}: it belongs to {index.owner}")
        return index
    except InvalidFile as exc:
        events.warn(f"the cache is not used: {exc}")
        return None


def write_index(volume: str, index: CacheIndex) -> None:
    """Remember what this build left; where that cannot be written, only the next build is slower."""
    try:
        write_state(_index_path(volume), index.write())
    except OSError as exc:
        events.warn(f"the cache of this build cannot be remembered in {state_folder()}: {exc.strerror}")


def forget(volume: str) -> None:
    """Remove what is remembered of a cache that is gone."""
    try:
        remove_state(_index_path(volume))
    except OSError as exc:
        raise PybuildError(
            f"{_index_path(volume)} cannot be removed: {exc.strerror}", hint=f"rm -r {_index_path(volume)}"
        ) from exc
