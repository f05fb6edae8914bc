"""One image into several stores: made for the first, copied to the others, each layer read and compressed once.

What the first store fails with is what the write fails with. Another one that fails keeps neither the first nor
the rest from having the image; what became of each is told in the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from pybuild.errors import PybuildError
from pybuild.events import detail, info
from pybuild.stores import compress
from pybuild.stores.api import Copied, Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pybuild.oci.reference import Reference
    from pybuild.stores.api import OpenStore, StoredImage, Written
    from pybuild.stores.compress import Packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place for the image. `where`: as messages name it; `base`: the run image, as it is called there; None: it has none."""

    where: str
    store: OpenStore
    names: Sequence[Reference]
    base: Reference | None


class SeveralStores:
    """The store of the first place, and behind it the others."""

    def __init__(self, first: Place, others: Sequence[Place]) -> None:
        self._place, self._first, self._others = first, first.store, others

    def find(self, name: Reference | str) -> StoredImage | None:
        """See `ImageStore.find`: of the first."""
        return self._first.find(name)

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        """See `ImageStore.read_layer`: of the first."""
        return self._first.read_layer(image, diff_id)

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        """See `ImageStore.read_file`: of the first."""
        return self._first.read_file(image, path)

    def delete(self, image: StoredImage) -> None:
        """See `ImageStore.delete`: of the first."""
        self._first.delete(image)

    def close(self) -> None:
        """Close all of them."""
        for store in (self._first, *(place.store for place in self._others)):
            store.close()

    def write(
        self,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        names: Sequence[Reference],
        previous: StoredImage | None,
    ) -> Written:
        """See `ImageStore.write`. The outcome is the first's, with those of the others in `copies`."""
        shared = list(map(_shared, layers))
        lower = [self._of_base(base, diff_id) for diff_id in base.diff_ids]
        if self._place.base is None:
            written = self._first.write(_none(base), [*lower, *shared], make_config, names, previous)
        else:
            written = self._first.write(base, shared, make_config, names, previous)
        # The layers are known now, so that a place which has them need not look at their content.
        known = [
            replace(layer, diff_id=diff_id)
            for layer, diff_id in zip([*lower, *shared], written.diff_ids, strict=True)
        ]
        copies = tuple(self._copy(place, base, known, make_config) for place in self._others)
        return replace(written, copies=copies)

    def _copy(
        self,
        place: Place,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
    ) -> Copied:
        """`layers`: all of them, the base's too."""
        info(f"Saving {place.where}...")
        names = tuple(map(str, place.names))
        try:
            below = _base_there(place, base)
            own = [
                _measured(layer) if not layer.size and place.base is not None else layer
                for layer in layers[len(below.diff_ids) :]
            ]
            written = place.store.write(below, own, make_config, place.names, _previous(place))
        except PybuildError as exc:
            return Copied(where=place.where, names=names, failure=exc)
        return Copied(where=place.where, names=names, written=written)

    def _of_base(self, base: StoredImage, diff_id: str) -> Layer:
        """A layer of the base, for a store that does not have it."""
        read = partial(self._first.read_layer, base, diff_id)
        return _shared(Layer(diff_id=diff_id, size=0, open=read, created_by="the run image"))


def _base_there(place: Place, base: StoredImage) -> StoredImage:
    """The base as the place has it: the whole, some of its lowest layers, or nothing."""
    own = None
    try:
        own = place.store.find(place.base) if place.base is not None else None
    except PybuildError as exc:
        detail(f"the run image goes along to {place.where}: {exc}")
    if own is None or own.diff_ids != base.diff_ids[: len(own.diff_ids)]:
        return _none(base)
    return own


def _none(base: StoredImage) -> StoredImage:
    """A base without layers."""
    return replace(base, id="", reference="", diff_ids=())


def _measured(layer: Layer) -> Layer:
    """The same with its size, for a store that has to know it before."""
    assert layer.packed is not None
    return replace(layer, size=layer.packed().tar_size)


def _previous(place: Place) -> StoredImage | None:
    try:
        return place.store.find(place.names[0])
    except PybuildError as exc:
        detail(f"nothing of an older image in {place.where} is used again: {exc}")
        return None


def _shared(layer: Layer) -> Layer:
    """The layer, which is read where it is only once, whoever wants it in which form."""

    @cache
    def packed() -> Packed:
        made = compress.pack(layer.open())
        layer.check(made.diff_id, made.tar_size)
        return made

    def opened() -> Iterator[bytes]:
        made = packed()
        yield from compress.unpack(made.pieces(), diff_id=made.diff_id)

    return replace(layer, open=opened, packed=packed)
