"""What a user's word for a buildpack or extension means: a path, a URL, an image, a registry's id, or one in the builder.

Forms and the order in which a bare word is tried are those of pack (GO-97, T1-04).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pybuild.errors import InvalidReference
from pybuild.oci.reference import Reference
from pybuild.spec.registry_index import RegistryId

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

Kind = Literal["path", "url", "image", "registry", "builder", "whole builder", "unknown"]

FROM_BUILDER = ("urn:cnb:builder", "from=builder")
_REGISTRY = "urn:cnb:registry:"
_IMAGE = re.compile(r"docker:/{0,2}")
_URL = re.compile(r"https?://")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


@dataclass(frozen=True, slots=True)
class Located:
    """What a word means. `rest`: the path, URL, image name or id alone."""

    kind: Kind
    rest: str


def locate(word: str, *, folder: Path, in_builder: Collection[str] = ()) -> Located:
    """Decide. `folder`: where relative paths start; `in_builder`: ids of what the builder has.

    A bare word is a path that exists, else an id in the builder, else a registry's id, else an image's name.
    """
    for prefix in FROM_BUILDER:
        if word == prefix:
            return Located("whole builder", "")
        if word.startswith(f"{prefix}:"):
            return Located("builder", word.removeprefix(f"{prefix}:"))
    if word.startswith(_REGISTRY):
        return Located("registry", word.removeprefix(_REGISTRY))
    if found := _IMAGE.match(word):
        return Located("image", word[found.end() :])
    if _URL.match(word):
        return Located("url", word)
    if word.startswith("file://"):
        return Located("path", word.removeprefix("file://"))
    if _SCHEME.match(word):
        return Located("unknown", word)
    return _bare(word, folder, in_builder)


def _bare(word: str, folder: Path, in_builder: Collection[str]) -> Located:
    # A name too long for the file system is no path.
    if len(word) < 4096 and "\0" not in word and (folder / word).exists():
        return Located("path", word)
    if word.partition("@")[0] in in_builder:
        return Located("builder", word)
    if RegistryId.looks_like(word):
        return Located("registry", word)
    if ("/" in word or ":" in word) and _is_image(word):
        return Located("image", word)
    return Located("unknown", word)


def _is_image(word: str) -> bool:
    try:
        Reference.parse(word)
    except InvalidReference:
        return False
    return not word.startswith((".", "/"))
