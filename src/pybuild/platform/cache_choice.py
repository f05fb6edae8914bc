"""Where a build's layers are kept, as the user says it: `--cache` in pack's grammar, and `--cache-image`.

`type=build;format=volume;name=NAME`, `type=build;format=bind;source=FOLDER`, `type=build;format=image;name=IMAGE`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import InvalidInput
from pybuild.events import warn
from pybuild.oci.reference import Reference
from pybuild.platform.typed_path import typed_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_KEYS = ("type", "format", "name", "source")
_FORMATS = ("volume", "bind", "image")
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_HINT = "--cache 'type=build;format=image;name=registry.example.com/team/my-app-cache'"
_SUBFOLDER = "build-cache"  # pack's, so that both can use one folder


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheChoice:
    """`volume`: the one to work in, "" for the usual. At most one of `folder` and `image`: where layers are kept besides."""

    volume: str = ""
    folder: Path | None = None
    image: Reference | None = None


def cache_choice(words: Sequence[str], cache_image: str) -> CacheChoice:
    """What these words say. `cache_image`: that of `--cache-image`, or "". Raises `InvalidInput`."""
    choice = CacheChoice()
    for word in words:
        fields = _fields(word)
        if _one_of(fields, "type", ("build", "launch"), word) == "launch":
            warn(f"--cache {word!r} is not needed: pybuild keeps nothing for layers that an image has")
            continue
        if choice != CacheChoice():
            raise InvalidInput("there is more than one --cache for the build", hint="leave one of them out")
        choice = _build_cache(fields, word)
    if cache_image:
        if choice != CacheChoice():
            raise InvalidInput(
                "--cache and --cache-image both say where layers are kept", hint="leave one of them out"
            )
        choice = CacheChoice(image=_image(cache_image))
    return choice


def _build_cache(fields: Mapping[str, str], word: str) -> CacheChoice:
    where = fields.get("name") or fields.get("source") or ""
    match _one_of(fields, "format", _FORMATS, word):
        case "image":
            return CacheChoice(image=_image(_given(where, "name", word)))
        case "bind":
            folder = typed_path(_given(where, "source", word), f"--cache {word!r}").absolute()
            return CacheChoice(folder=folder / _SUBFOLDER)
        case _:
            if where and _VOLUME.fullmatch(where) is None:
                raise InvalidInput(
                    f"--cache {word!r}: {where!r} is no volume's name",
                    hint="--cache 'type=build;name=my-app'",
                )
            return CacheChoice(volume=where)


def _fields(word: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for field in filter(None, word.split(";")):
        key, equals, value = field.partition("=")
        name = key.strip().lower()
        if not equals or name not in _KEYS or name in fields:
            raise InvalidInput(
                f"--cache {word!r}: {field!r} is not one of {', '.join(f'{key}=…' for key in _KEYS)}",
                hint=_HINT,
            )
        fields[name] = value
    return fields


def _one_of(fields: Mapping[str, str], key: str, allowed: Sequence[str], word: str) -> str:
    """The field's value; the first of those allowed where there is none."""
    value = fields.get(key, allowed[0])
    if value not in allowed:
        raise InvalidInput(
            f"--cache {word!r}: {key} is {value!r}, expected one of {', '.join(allowed)}", hint=_HINT
        )
    return value


def _given(where: str, key: str, word: str) -> str:
    if not where:
        raise InvalidInput(f"--cache {word!r}: {key}=… is missing", hint=_HINT)
    return where


def _image(name: str) -> Reference:
    found = Reference.parse(name)
    if found.digest:
        raise InvalidInput(
            f"the cache image {name!r} has a digest: it is written again under a tag",
            hint="leave out @sha256:…",
        )
    return found
