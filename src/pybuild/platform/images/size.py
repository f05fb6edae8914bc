"""How large an image is, and through what: its layers, who made them, what kinds of files are in them."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild import events
from pybuild.errors import InvalidArchive
from pybuild.oci import tar
from pybuild.platform.images.compare_stored import opened_image
from pybuild.platform.images.entry_changes import read_entries
from pybuild.platform.images.file_classes import file_class
from pybuild.platform.images.image_facts import RUN_IMAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.platform.images.compare_stored import Side
    from pybuild.platform.images.image_facts import OwnedLayer

MOST_LARGEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSize:
    """One layer. `owner`: as in `image_facts`. `size`: bytes of its files' contents; `classes`: of that, by file class."""

    owner: str
    diff_id: str
    files: int
    size: int
    classes: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeFile:
    """One of the largest files. `path`: in the image."""

    path: str
    size: int
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSize:
    """All of an image. `stored`: bytes as its store counts them, 0 unknown. `repeated`: bytes of files whose very content
    stands in the image more than once, without one of each.
    """

    name: str
    id: str
    stored: int
    layers: tuple[LayerSize, ...]
    largest: tuple[LargeFile, ...]
    repeated: int

    @property
    def size(self) -> int:
        """Bytes of all files' contents."""
        return sum(layer.size for layer in self.layers)

    @property
    def by_maker(self) -> Mapping[str, int]:
        """Bytes by who made the layers: the run image, each buildpack, the app, the lifecycle's own."""
        found: Counter[str] = Counter()
        for layer in self.layers:
            found[maker(layer.owner)] += layer.size
        return dict(found.most_common())

    @property
    def by_class(self) -> Mapping[str, int]:
        """Bytes by file class, the largest first."""
        found: Counter[str] = Counter()
        for layer in self.layers:
            found.update(layer.classes)
        return dict(found.most_common())


def maker(owner: str) -> str:
    """Who made a layer of this owner."""
    if ":" in owner:
        return owner.partition(":")[0]
    return "app" if owner.startswith("app ") else owner if owner == RUN_IMAGE else "lifecycle"


def image_size(word: str, *, environ: Mapping[str, str], insecure: Sequence[str] = ()) -> ImageSize:
    """Read every layer of an image, named as for `compare`. Raises `InvalidInput` for one that is not there."""
    with ExitStack() as stack:
        side = opened_image(stack, word, environ, insecure)
        count = _Count()
        layers = []
        for number, layer in enumerate(side.facts.layers, start=1):
            events.emit(
                events.Progress(
                    label="Reading layers", done=number, total=len(side.facts.layers), unit="layers"
                )
            )
            layers.append(_layer(side, layer, count))
        events.emit(events.Progress(label="Reading layers", done=-1))
    return ImageSize(
        name=word,
        id=side.image.id,
        stored=side.image.size,
        layers=tuple(layers),
        largest=tuple(
            LargeFile(path=path, size=size, owner=owner) for size, path, owner in sorted(count.largest)[::-1]
        ),
        repeated=count.repeated,
    )


@dataclass(slots=True)
class _Count:
    """Over all layers: the largest files, and contents that came before."""

    largest: list[tuple[int, str, str]] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)
    repeated: int = 0

    def see(self, path: str, size: int, digest: bytes, owner: str) -> None:
        if digest in self.seen:
            self.repeated += size
        self.seen.add(digest)
        push = heapq.heappush if len(self.largest) < MOST_LARGEST else heapq.heappushpop
        push(self.largest, (size, path, owner))


def _layer(side: Side, layer: OwnedLayer, count: _Count) -> LayerSize:
    classes: Counter[str] = Counter()
    files = 0
    try:
        for name, entry in read_entries(side.store.read_layer(side.image, layer.diff_id)):
            if entry.kind != tar.FILE:
                continue
            path = os.fsdecode(name).lstrip("/")
            files += 1
            classes[file_class(path)] += entry.size
            count.see(path, entry.size, entry.digest, layer.name)
    except InvalidArchive as exc:
        raise InvalidArchive(
            f"the layer '{layer.name}' of {side.facts.name} cannot be read: {exc}",
            hint="whatever made this image, let it make it again",
        ) from exc
    return LayerSize(
        owner=layer.owner,
        diff_id=layer.diff_id,
        files=files,
        size=sum(classes.values()),
        classes=dict(classes.most_common()),
    )
