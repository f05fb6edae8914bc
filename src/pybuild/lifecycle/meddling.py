"""What a buildpack changed in the layers of an earlier one: Python's bytecode is taken out again, all else is an error.

All buildpacks of a build are one user, so none can be kept from it. The kernel's ctime of every file is in the listings that
export has anyway, and no program without privileges can set it back; what is gone shows in the number of files.
docs/adr/0017-changed-layers.md.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING

from pybuild.errors import ChangedLayer
from pybuild.events import detail, warn
from pybuild.lifecycle.exportable import own_sboms
from pybuild.lifecycle.scripts import run_lines
from pybuild.spec.names import escape_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pybuild.buildenv.api import BuildEnv, Entry, Listing
    from pybuild.lifecycle.build import Built, BuiltBuildpack, BuiltLayer
    from pybuild.lifecycle.cache import CacheIndex
    from pybuild.lifecycle.exportable import Exportable
    from pybuild.spec.order import GroupElement

_HINT = (
    "a buildpack writes to its own layers only: tell its authors; if you trust it, build with --trust-builder"
)
_TOLD_HINT = (
    "the image gets it as it is now; a buildpack should write to its own layers only: tell its authors"
)

_CACHE = "__pycache__"
_BYTECODE = re.compile(rf".*/{_CACHE}/[^/]+\.pyc(\.[0-9]+)?", re.DOTALL)
# What `layers_dir.FUNCTIONS` does not count.
_UNCOUNTED = re.compile(rf".*(/{_CACHE}/.*\.pyc.*|/{_CACHE})", re.DOTALL)
_MOST_TOLD = 1000
_AT_ONCE = 100


def nobody(buildpack: GroupElement) -> bool:  # noqa: ARG001 - the answer to all
    """Which buildpacks may change an earlier one's layers, where no user has said so of any."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One path that is not as `owner` left it. `by`: who did it; several where that is not known."""

    path: str
    owner: GroupElement
    by: tuple[GroupElement, ...]


@dataclass(slots=True, kw_only=True)
class _Found:
    """`bytecode`: files that Python makes anew; `folders`: made for them; `roots`: of the listings they are in."""

    changes: list[_Change]
    bytecode: list[_Change]
    folders: list[str]
    roots: list[str]


def without_meddling(
    env: BuildEnv,
    built: Built,
    found: Exportable,
    cache: CacheIndex | None,
    trusts: Callable[[GroupElement], bool],
) -> Exportable:
    """What there is to export, with earlier buildpacks' layers as those left them, but for what trusted ones changed.

    `ChangedLayer` for what others did. Costs nothing for layers whose stamp is the one that `cache` has of them.
    """
    seen = _Found(changes=[], bytecode=[], folders=[], roots=[])
    for number, owner in enumerate(built.buildpacks[:-1]):
        if owner.left.moment:
            _Look(built.buildpacks[number:], found, cache, seen).all()
    _tell(seen.changes, trusts)
    if not seen.bytecode:
        return found
    for change in seen.bytecode[:_MOST_TOLD]:
        detail(f"Removing {change.path}: Python compiled it there for {_names(change.by)}")
    run_lines(env, [*_removal(seen.bytecode), *(f"rmdir -- {quote(each)} || :" for each in seen.folders)])
    anew = zip(seen.roots, env.scan(seen.roots), strict=True)
    return replace(found, listings={**found.listings, **dict(anew)})


def _removal(bytecode: Sequence[_Change]) -> Iterator[str]:
    for at in range(0, len(bytecode), _AT_ONCE):
        yield f"rm -f -- {' '.join(quote(each.path) for each in bytecode[at : at + _AT_ONCE])}"


def _tell(changes: Sequence[_Change], trusts: Callable[[GroupElement], bool]) -> None:
    """Warn of what trusted buildpacks did; raise the error for what another one did."""
    pairs: dict[tuple[GroupElement, tuple[GroupElement, ...]], list[str]] = {}
    for each in changes:
        pairs.setdefault((each.owner, each.by), []).append(each.path)
    refused = ""
    for (owner, by), paths in pairs.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        text = f"buildpack {_names(by)} changed what {owner} had made: {paths[0]}{more}"
        if all(map(trusts, by)):
            warn(text, hint=_TOLD_HINT)
        else:
            refused = refused or text
        for path in paths[:_MOST_TOLD]:
            detail(f"buildpack {_names(by)} changed {path}")
    if refused:
        raise ChangedLayer(refused, hint=_HINT)


def _names(by: Iterable[GroupElement]) -> str:
    return " or ".join(map(str, by))


class _Look:
    """A look at what the first one of `buildpacks` had made, for what the others changed."""

    def __init__(
        self, buildpacks: Sequence[BuiltBuildpack], found: Exportable, cache: CacheIndex | None, seen: _Found
    ) -> None:
        self._owner = buildpacks[0]
        self._later = tuple(each.module for each in buildpacks[1:])
        self._began = [each.left.moment for each in buildpacks[:-1]]
        self._found = found
        self._cache = cache
        self._seen = seen
        # metadata.toml is written last. What is later than it was dated by a clock that has been set back since.
        written = found.listings[f"{found.layers_dir}/config"].entries
        self._end = max((entry.ctime for entry in written), default=0)

    def all(self) -> None:
        """Add to what is seen."""
        own = f"{self._found.layers_dir}/{escape_id(self._owner.module.id)}"
        if own in self._found.parents and self._found.parents[own].mode != self._owner.left.mode:
            self._change(own, None)
        for layer in self._owner.layers:
            listing = self._found.listings.get(layer.path)
            if listing is not None and not self._is_known(layer, listing):
                self._layer(layer, listing)
        for path in own_sboms(self._owner, own):
            for entry in self._touched(self._found.listings[path]):
                self._change(path, entry)

    def _is_known(self, layer: BuiltLayer, listing: Listing) -> bool:
        kept = self._cache.layer(self._owner.module.id, layer.name) if self._cache else None
        return kept is not None and kept.stamp != "" and kept.stamp == listing.stamp

    def _layer(self, layer: BuiltLayer, listing: Listing) -> None:
        if not listing.entries:
            self._change(layer.path, None)
            return
        touched = self._touched(listing)
        if not touched:
            return
        left = sum(map(_is_counted, listing.entries))
        gone = left < self._owner.left.counts.get(layer.name, 0)
        # A folder changes with what comes into it. Where something is gone, bytecode that came does not account for that.
        above = {posixpath.dirname(entry.path) for entry in touched if not gone or _is_counted(entry)}
        paths = {entry.path for entry in touched}
        for entry in touched:
            if _is_bytecode(entry):
                self._seen.bytecode.append(self._as_change(entry.path, entry))
            elif _is_cache(entry) and not gone:
                if posixpath.dirname(entry.path) in paths:
                    self._seen.folders.append(entry.path)
            elif entry.kind != "d" or entry.path not in above:
                self._change(entry.path, entry)
        self._seen.roots.append(layer.path)

    def _touched(self, listing: Listing) -> list[Entry]:
        since = self._began[0]
        return [each for each in listing.entries if since < each.ctime and not 0 < self._end < each.ctime]

    def _change(self, path: str, entry: Entry | None) -> None:
        self._seen.changes.append(self._as_change(path, entry))

    def _as_change(self, path: str, entry: Entry | None) -> _Change:
        """By the last one that had begun when the path changed; by one of all, where that cannot be told."""
        by = self._later
        if entry is not None:
            by = by[sum(0 < began < entry.ctime for began in self._began) - 1 :][:1]
        return _Change(path=path, owner=self._owner.module, by=by)


def _is_cache(entry: Entry) -> bool:
    return entry.kind == "d" and posixpath.basename(entry.path) == _CACHE


def _is_counted(entry: Entry) -> bool:
    return _UNCOUNTED.fullmatch(entry.path) is None


def _is_bytecode(entry: Entry) -> bool:
    return entry.kind == "f" and _BYTECODE.fullmatch(entry.path) is not None
