"""What differs between two images beside their layers: configuration, history, processes, labels; value by value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.platform.images.image_facts import shared_settings, shown_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pybuild.platform.images.entry_changes import Change
    from pybuild.platform.images.image_facts import ImageFacts

Section = Literal["image", "base", "config", "history", "processes", "labels"]

MOST_INSIDE = 1_000
"""Differences inside one label that are told one by one; a label with more differs as a whole."""

_T = TypeVar("_T")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that differs. `path`: where it stands in its section; `at`: the path inside a JSON label, else "".

    `a`, `b`: JSON values; None where there is none.
    """

    section: Section
    path: str
    change: Change
    a: Any
    b: Any
    at: str = ""

    def as_json(self) -> dict[str, Any]:
        """See the class."""
        return {
            "section": self.section,
            "path": self.path,
            "at": self.at or None,
            "change": self.change,
            "a": self.a,
            "b": self.b,
        }


def differences(a: ImageFacts, b: ImageFacts) -> Iterator[Difference]:
    """All that differs, section by section."""
    yield from _image_differences(a, b)
    yield from _texts_by_key("base", _base(a), _base(b))
    yield from _config_differences(a, b)
    yield from _history_differences(a, b)
    yield from _process_differences(a, b)
    yield from _label_differences(a, b)


def aligned(
    a: Sequence[_T], b: Sequence[_T], key: Callable[[_T], Any]
) -> Iterator[tuple[_T | None, _T | None]]:
    """Two lists side by side: what they begin and end with alike is paired, and what is between by position."""
    most = min(len(a), len(b))
    start = next((n for n in range(most) if key(a[n]) != key(b[n])), most)
    most -= start
    end = next((n for n in range(most) if key(a[-1 - n]) != key(b[-1 - n])), most)
    yield from zip(a[:start], b[:start], strict=True)
    yield from zip_longest(a[start : len(a) - end], b[start : len(b) - end])
    yield from zip(a[len(a) - end :], b[len(b) - end :], strict=True)


def json_differences(a: Any, b: Any, path: str = "") -> Iterator[tuple[str, Change, Any, Any]]:
    """Path, change and both values of all that differs in two JSON values, such as `.buildpacks[0].version`."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in sorted(a.keys() | b.keys()):
            inner = f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{json.dumps(key)}]"
            if key not in a:
                yield inner, "added", None, b[key]
            elif key not in b:
                yield inner, "removed", a[key], None
            else:
                yield from json_differences(a[key], b[key], inner)
    elif isinstance(a, list) and isinstance(b, list):
        for number, (one, other) in enumerate(zip(a, b, strict=False)):
            yield from json_differences(one, other, f"{path}[{number}]")
        for number in range(len(b), len(a)):
            yield f"{path}[{number}]", "removed", a[number], None
        for number in range(len(a), len(b)):
            yield f"{path}[{number}]", "added", None, b[number]
    elif isinstance(a, bool) is not isinstance(b, bool) or a != b:
        # In Python, True is 1.
        yield path, "changed", a, b


def _image_differences(a: ImageFacts, b: ImageFacts) -> Iterator[Difference]:
    digests = (a.config_digest, b.config_digest)
    if a.complete == b.complete and (all(digests) or not any(digests)):
        one, other = digests if all(digests) else (a.id, b.id)
        yield Difference(section="image", path="id", change="changed", a=one, b=other)
    yield from _texts_by_key("image", a.about, b.about)


def _base(facts: ImageFacts) -> Mapping[str, str]:
    base = facts.base
    return {"name": base.name, "top_layer": base.top_layer, "reference": base.reference}


def _texts_by_key(section: Section, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Difference]:
    """For values of which "" is none."""
    for key in dict.fromkeys((*a, *b)):
        one, other = a.get(key, ""), b.get(key, "")
        if one != other:
            change: Change = "added" if not one else "removed" if not other else "changed"
            yield Difference(section=section, path=key, change=change, a=one or None, b=other or None)


def _config_differences(a: ImageFacts, b: ImageFacts) -> Iterator[Difference]:
    complete = a.complete and b.complete
    one, other = (shared_settings(facts, complete=complete) for facts in (a, b))
    for key in sorted(one.keys() | other.keys()):
        yield from _by_name("config", key, one.get(key), other.get(key))
    if a.env_order != b.env_order and one["Env"] == other["Env"]:
        yield Difference(
            section="config",
            path="Env",
            change="changed",
            a=list(a.env_order),
            b=list(b.env_order),
            at="order",
        )


def _by_name(section: Section, key: str, a: Any, b: Any) -> Iterator[Difference]:
    """A setting: members of objects each on their own, lists of words as one."""
    if isinstance(a or {}, Mapping) and isinstance(b or {}, Mapping) and (a or b):
        one, other = a or {}, b or {}
        for name in sorted(one.keys() | other.keys()):
            yield from _whole(section, f"{key}.{name}", one, other, name)
    else:
        yield from _whole(section, key, {key: a} if a else {}, {key: b} if b else {}, key)


def _whole(
    section: Section, path: str, a: Mapping[str, Any], b: Mapping[str, Any], key: str
) -> Iterator[Difference]:
    if key in a and key in b and not any(json_differences(a[key], b[key])):
        return
    change: Change = "added" if key not in a else "removed" if key not in b else "changed"
    if key in a or key in b:
        yield Difference(section=section, path=path, change=change, a=a.get(key), b=b.get(key))


def _history_differences(a: ImageFacts, b: ImageFacts) -> Iterator[Difference]:
    complete = a.complete and b.complete
    one, other = ([item if complete else shown_history(item) for item in side.history] for side in (a, b))
    pairs = aligned(list(enumerate(one)), list(enumerate(other)), lambda item: item[1])
    for ours, theirs in pairs:
        if ours is None or theirs is None:
            number = (ours or theirs or (0, {}))[0]
            yield Difference(
                section="history",
                path=f"[{number}]",
                change="added" if ours is None else "removed",
                a=dict(ours[1]) if ours else None,
                b=dict(theirs[1]) if theirs else None,
            )
        elif ours[1] != theirs[1]:
            for path, change, was, now in json_differences(ours[1], theirs[1], f"[{ours[0]}]"):
                yield Difference(section="history", path=path, change=change, a=was, b=now)


def _process_differences(a: ImageFacts, b: ImageFacts) -> Iterator[Difference]:
    for type_ in sorted(a.processes.keys() | b.processes.keys()):
        one, other = a.processes.get(type_), b.processes.get(type_)
        if one is None or other is None:
            yield from _whole("processes", type_, a.processes, b.processes, type_)
        else:
            for key in sorted(one.keys() | other.keys()):
                yield from _whole("processes", f"{type_}.{key}", one, other, key)
    default = ({"default": a.default_process}, {"default": b.default_process})
    yield from _texts_by_key("processes", *default)


def _label_differences(a: ImageFacts, b: ImageFacts) -> Iterator[Difference]:
    for name in sorted(a.labels.keys() | b.labels.keys()):
        one, other = a.labels.get(name), b.labels.get(name)
        if one == other:
            continue
        inside = _inside(one, other) if one is not None and other is not None else ()
        found = list(islice(inside, MOST_INSIDE + 1))
        if 0 < len(found) <= MOST_INSIDE:
            for at, change, was, now in found:
                yield Difference(section="labels", path=name, at=at, change=change, a=was, b=now)
        else:
            yield from _whole("labels", name, a.labels, b.labels, name)


def _inside(a: str, b: str) -> Iterator[tuple[str, Change, Any, Any]]:
    """What differs in two labels that both hold JSON; nothing, if they do not, or only their spelling differs."""
    try:
        one, other = (gojson.loads(text, where="label") for text in (a, b) if text[:1] in ("{", "["))
    except (InvalidFile, ValueError):
        return
    yield from json_differences(one, other)
