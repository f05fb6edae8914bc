"""Reads of two images what a comparison needs, and no more: nothing, if they are the same; else one layer of each."""

from __future__ import annotations

import re
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pybuild import events
from pybuild.errors import InvalidArchive, InvalidInput
from pybuild.platform.images.compare import LayerFiles, compare_facts
from pybuild.platform.images.entry_changes import entry_changes, read_entries
from pybuild.platform.images.image_facts import SBOM, ImageFacts
from pybuild.platform.images.sbom_changes import SbomCollector, sbom_changes
from pybuild.stores.daemon import DaemonStore
from pybuild.stores.places import open_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pybuild.platform.images.compare import Comparison
    from pybuild.platform.images.entry_changes import EntryFacts
    from pybuild.platform.images.image_facts import OwnedLayer
    from pybuild.stores.api import ImageReader, StoredImage


def compare(
    a: str,
    b: str,
    *,
    environ: Mapping[str, str],
    all_layers: bool = False,
    insecure: Sequence[str] = (),
) -> Comparison:
    """Two images, each where its word says: `docker:NAME` or just NAME, `registry:NAME`, `oci:FOLDER[:TAG]`,
    `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]` (see `stores.places`).

    Of the layers that differ the first one is read, in both images, or with `all_layers` each; and the SBOM's if that
    differs. Raises `InvalidInput` for an image that is not there.
    """
    with ExitStack() as stack:
        sides = [opened_image(stack, word, environ, insecure) for word in (a, b)]
        return compare_stored(*sides, all_layers=all_layers)


_SHORT_ID = re.compile("[0-9a-f]{7,63}")  # as the engine lists them, and so do we


@dataclass(frozen=True, slots=True)
class Side:
    """An image, and the store that it is in. `facts`: of the image."""

    store: ImageReader
    image: StoredImage
    facts: ImageFacts


def compare_stored(a: Side, b: Side, *, all_layers: bool = False) -> Comparison:
    """The same for images that have been found."""
    found = compare_facts(a.facts, b.facts)
    if found.identical:
        return found
    changed = [pair for pair in found.layers if pair.change == "changed"]
    wanted = changed if all_layers else changed[:1]
    sboms = (SbomCollector(), SbomCollector())
    files = []
    for pair in wanted:
        events.info(f"Reading the layer '{pair.name}' of both images")
        one, other = (
            _entries(side, layer, collector if pair.owner == SBOM else None)
            for side, layer, collector in zip((a, b), (pair.a, pair.b), sboms, strict=True)
        )
        files.append(LayerFiles(pair=pair, changes=entry_changes(one, other)))
    for pair in found.changed_layers:
        if pair.owner == SBOM and pair not in wanted:
            for side, layer, collector in zip((a, b), (pair.a, pair.b), sboms, strict=True):
                deque(_entries(side, layer, collector), maxlen=0)
    return replace(found, files=tuple(files), sbom=sbom_changes(sboms[0].found, sboms[1].found))


def _entries(
    side: Side, layer: OwnedLayer | None, collector: SbomCollector | None
) -> Iterator[tuple[bytes, EntryFacts]]:
    if layer is None:
        return
    try:
        yield from read_entries(side.store.read_layer(side.image, layer.diff_id), collector)
    except InvalidArchive as exc:
        raise InvalidArchive(
            f"the layer '{layer.name}' of {side.facts.name} cannot be compared: {exc}",
            hint="whatever made this image, let it make it again",
        ) from exc


def opened_image(stack: ExitStack, word: str, environ: Mapping[str, str], insecure: Sequence[str]) -> Side:
    """Find an image. Each one has a store of its own: an engine's keeps the image that it reads layers of."""
    store, name = open_place(word, environ=environ, insecure=insecure)
    engines = isinstance(store, DaemonStore)
    if isinstance(store, DaemonStore):
        stack.callback(store.close)
    image = store.find(name)
    if image is None and engines and _SHORT_ID.fullmatch(word):
        image = store.find(word)
    if image is None:
        raise InvalidInput(
            f"there is no image {word}" + (" in the Docker Engine" if engines else ""),
            hint=f"docker images; for one in a registry: registry:{name}"
            if engines
            else "look at the spelling",
        )
    return Side(store, image, ImageFacts.of(image, word, complete=not engines))
