"""Why a layer was taken over or made again, as sentences for people (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.lifecycle.cache import CacheIndex, KeptApp, KeptLayer

UNCHANGED = "no file of it changed"
UNSTAMPED = "nothing here can tell whether files of it changed"
KEPT_IN_IMAGE = "kept from the image before"
APP_UNCHANGED = "the app did not change"

_MOST_CHANGES = 2
_LONGEST_VALUE = 32
_DEEPEST = 8


def why_made(kept: KeptLayer | None, index: CacheIndex | None, metadata: Any, *, cached: bool) -> str:
    """Why a buildpack's layer has contents of this build. `kept`: what the last build left of it; `cached`: it is to be kept."""
    if index is None:
        return "no earlier build left anything to use"
    if kept is None:
        return "the build before had no such layer"
    changes = list(_changes("", kept.metadata, metadata, _DEEPEST))
    if changes:
        more = f" and {len(changes) - _MOST_CHANGES} more" if len(changes) > _MOST_CHANGES else ""
        return f"its metadata changed: {', '.join(changes[:_MOST_CHANGES])}{more}"
    if not cached:
        return "its buildpack makes it in every build, for it is not cached"
    if not kept.cache:
        return "the build before did not cache it"
    return "its buildpack changed files of it"


def is_missed(kept: KeptLayer | None, metadata: Any) -> bool:
    """Whether a cached layer was made from nothing: metadata is what buildpacks know their own layers by.

    One that has the same metadata and other files was brought up to date, as caches of downloads are in every build.
    """
    return kept is None or not kept.cache or kept.metadata != metadata


def why_app(kept: KeptApp | None, upload: str) -> str:
    """Why the app's layers were packed. `upload`: digest of what was sent, "" when it is not what is exported."""
    if kept is None:
        return "no earlier build left anything to use"
    if not upload:
        return "a buildpack changes the app while it is built"
    if not kept.upload:
        return "a buildpack changed the app in the build before"
    if kept.upload != upload:
        return "files of the app changed"
    return "its slices or owner changed"


def after_all(reason: str, *, reused: bool, earlier: bool) -> str:
    """The reason as it stands once the contents are known. `earlier`: there is an image from before."""
    if reused:
        if reason in (UNCHANGED, KEPT_IN_IMAGE, APP_UNCHANGED):
            return reason
        return f"the same contents as before, though {reason}" if reason else "the same contents as before"
    if not reason:
        return "its contents changed" if earlier else "there is no image from before"
    if reason in (UNCHANGED, APP_UNCHANGED):
        return f"{reason}, but the image before does not have it"
    return reason


def _changes(path: str, old: Any, new: Any, deep: int) -> Iterator[str]:
    """Each value of the metadata that differs, as `path "1" → "2"`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping) and deep:
        for key in dict.fromkeys((*old, *new)):
            yield from _changes(f"{path}.{key}" if path else key, old.get(key), new.get(key), deep - 1)
    elif old != new:
        yield f"{path} {_value(old)} → {_value(new)}".strip()


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
