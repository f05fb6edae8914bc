"""Which buildpack changed what an earlier one had made.

All buildpacks of a build are one user, so none can be kept from it, and some do it without knowing: Python writes
`__pycache__` beside what it imports. It is told and no error: docs/adr/0017-changed-layers.md. The kernel's ctime of
every file is in the listings that export has anyway, and no program without privileges can set it back.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pybuild.events import detail, warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.buildenv.api import Entry, Listing
    from pybuild.lifecycle.build import Built, BuiltBuildpack, BuiltLayer
    from pybuild.lifecycle.cache import CacheIndex
    from pybuild.lifecycle.exportable import Exportable

_HINT = "the image gets it as it is now; a buildpack should write to its own layers only: tell its authors"
_PYTHON_HINT = (
    "Python compiled what it imported there, with times in it that differ from build to build; "
    "-e PYTHONPYCACHEPREFIX=/tmp/pycache has it do so elsewhere"
)

_MOST_TOLD = 1000


def tell_meddling(built: Built, found: Exportable, cache: CacheIndex | None) -> None:
    """Warn of every buildpack that changed launch or cached layers of an earlier one.

    Costs nothing for layers whose stamp is the one that `cache` has of them.
    """
    for number, owner in enumerate(built.buildpacks, start=1):
        later = [each for each in built.buildpacks[number:] if each.began]
        if not later:
            continue
        changed: dict[str, list[str]] = {}
        for layer in owner.layers:
            kept = cache.layer(owner.module.id, layer.name) if cache else None
            for listing in _listings(layer, found):
                if kept is None or not kept.stamp or listing.stamp != kept.stamp:
                    _collect(listing, later, changed)
        for who, paths in changed.items():
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            python = all("/__pycache__" in path for path in paths)
            warn(
                f"buildpack {who} changed what {owner.module} had made: {paths[0]}{more}",
                hint=_PYTHON_HINT if python else _HINT,
            )
            for path in paths[:_MOST_TOLD]:
                detail(f"buildpack {who} changed {path}")


def _listings(layer: BuiltLayer, found: Exportable) -> Iterator[Listing]:
    """Those of the layer's folder and of its SBOM files, which lie beside it."""
    paths = [layer.path, *(f"{layer.path}.{ending}" for ending in found.sbom_stamps(layer.path))]
    for path in paths:
        listing = found.listings.get(path)
        if listing is not None and listing.stamp:
            yield listing


def _collect(listing: Listing, later: Sequence[BuiltBuildpack], changed: dict[str, list[str]]) -> None:
    """Add the paths that changed after the first of `later` began, under the buildpack that ran when they did."""
    since = later[0].began
    touched = [entry for entry in listing.entries if entry.ctime > since]
    above = {posixpath.dirname(entry.path) for entry in touched}
    for entry in touched:
        # A folder changes with what comes into it; it is told where something went out of it.
        if entry.kind != "d" or entry.path not in above:
            changed.setdefault(_who(entry, later), []).append(entry.path)


def _who(entry: Entry, later: Sequence[BuiltBuildpack]) -> str:
    return str([each for each in later if each.began < entry.ctime][-1].module)
