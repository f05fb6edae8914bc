"""Two images side by side, as one value: what differs, and where. Everything here is computed, nothing is read.

The value is the same for the table on a terminal, for `--json` and for whoever calls us from Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pybuild.platform.images.differences import differences
from pybuild.platform.images.image_facts import RUN_IMAGE, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pybuild.platform.images.differences import Difference, Section
    from pybuild.platform.images.entry_changes import Change, EntryChanges
    from pybuild.platform.images.image_facts import ImageFacts, OwnedLayer
    from pybuild.platform.images.sbom_changes import SbomChange


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPair:
    """The layers of one owner; None where an image has none."""

    owner: str
    a: OwnedLayer | None
    b: OwnedLayer | None

    @property
    def name(self) -> str:
        """As `OwnedLayer.name`; that of A where it has one."""
        layer = self.b if self.a is None or (self.a.owner == UNKNOWN and self.b is not None) else self.a
        return layer.name if layer is not None else self.owner

    @property
    def change(self) -> Change | Literal["same"]:
        """What became of it from A to B."""
        if self.a is None:
            return "added"
        if self.b is None:
            return "removed"
        return "same" if self.a.diff_id == self.b.diff_id else "changed"

    def as_json(self) -> dict[str, Any]:
        """See the class."""
        return {
            "owner": self.owner,
            "change": self.change,
            "a": {"index": self.a.index, "diff_id": self.a.diff_id} if self.a else None,
            "b": {"index": self.b.index, "diff_id": self.b.diff_id} if self.b else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFiles:
    """The files of one pair that differs."""

    pair: LayerPair
    changes: EntryChanges

    def as_json(self) -> dict[str, Any]:
        """See the classes."""
        return {**self.pair.as_json(), **self.changes.as_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two images and all that differs between them.

    `identical`: one digest names both, so nothing else was looked at. `layers`: pairs, bottom first. `files`: of the
    pairs that were read. `sbom`: of the SBOM layers, if they differ. `notes`: what could not be compared.
    """

    a: ImageFacts
    b: ImageFacts
    identical: bool
    differences: tuple[Difference, ...] = ()
    layers: tuple[LayerPair, ...] = ()
    files: tuple[LayerFiles, ...] = ()
    sbom: tuple[SbomChange, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.identical or not (self.differences or self.changed_layers)

    @property
    def changed_layers(self) -> tuple[LayerPair, ...]:
        """The pairs that are not the same."""
        return tuple(pair for pair in self.layers if pair.change != "same")

    def of_section(self, section: Section) -> tuple[Difference, ...]:
        """The differences of one section."""
        return tuple(found for found in self.differences if found.section == section)

    def as_json(self) -> dict[str, Any]:
        """The documented shape of `pybuild compare --json`: keys are added to it, never renamed."""
        return {
            "same": self.same,
            "identical": self.identical,
            "images": [self.a.as_json(), self.b.as_json()],
            "differences": [found.as_json() for found in self.differences],
            "layers": [pair.as_json() for pair in self.layers],
            "files": [found.as_json() for found in self.files],
            "sbom": [found.as_json() for found in self.sbom],
            "notes": list(self.notes),
        }


def compare_facts(a: ImageFacts, b: ImageFacts) -> Comparison:
    """All that can be told without reading a layer. Of images with one digest, that they are the same."""
    if a.ids & b.ids:
        return Comparison(a=a, b=b, identical=True)
    return Comparison(
        a=a,
        b=b,
        identical=False,
        differences=tuple(differences(a, b)),
        layers=tuple(layer_pairs(a.layers, b.layers)),
        notes=(*a.notes, *b.notes, *_about_ids(a, b)),
    )


def layer_pairs(a: Sequence[OwnedLayer], b: Sequence[OwnedLayer]) -> Iterator[LayerPair]:
    """The layers of both by their owners, in the order of A, those that only B has where B has them.

    Layers of the run image, and those whose owner is not known, are paired by what they are, else by where they stand.
    """
    partners = dict(_partners(a, b))
    paired = {layer.index for layer in partners.values()}
    followers = _only_after(b, paired)
    yield from (LayerPair(owner=layer.owner, a=None, b=layer) for layer in followers.get(-1, ()))
    for layer in a:
        partner = partners.get(layer.index)
        owner = partner.owner if partner is not None and layer.owner == UNKNOWN else layer.owner
        yield LayerPair(owner=owner, a=layer, b=partner)
        if partner is not None:
            following = followers.get(partner.index, ())
            yield from (LayerPair(owner=other.owner, a=None, b=other) for other in following)


def _partners(a: Sequence[OwnedLayer], b: Sequence[OwnedLayer]) -> Iterator[tuple[int, OwnedLayer]]:
    """For layers of A, by their index, the layer of B that is the same thing."""
    named = {layer.owner: layer for layer in b if layer.owner not in (RUN_IMAGE, UNKNOWN)}
    left = []
    for layer in a:
        if layer.owner in named:
            yield layer.index, named.pop(layer.owner)
        else:
            left.append(layer)
    others = [layer for layer in b if layer.owner in (RUN_IMAGE, UNKNOWN) or layer.owner in named]
    # The same content is the same layer, whoever owns it: a run image is below an app image, too.
    equal: dict[str, list[OwnedLayer]] = {}
    for layer in reversed(others):
        equal.setdefault(layer.diff_id, []).append(layer)
    rest = []
    for layer in left:
        if same := equal.get(layer.diff_id):
            yield layer.index, same.pop()
        else:
            rest.append(layer)
    unpaired = {layer.index: layer for layers in equal.values() for layer in layers}
    for owner in (RUN_IMAGE, UNKNOWN):
        ours = [layer for layer in rest if layer.owner == owner]
        theirs = [unpaired[index] for index in sorted(unpaired) if unpaired[index].owner == owner]
        yield from zip((layer.index for layer in ours), theirs, strict=False)


def _only_after(b: Sequence[OwnedLayer], paired: set[int]) -> Mapping[int, Sequence[OwnedLayer]]:
    """The unpaired layers of B, by the index of the paired one below them; -1 for those below all."""
    found: dict[int, list[OwnedLayer]] = {}
    below = -1
    for layer in b:
        if layer.index in paired:
            below = layer.index
        else:
            found.setdefault(below, []).append(layer)
    return found


def _about_ids(a: ImageFacts, b: ImageFacts) -> Iterator[str]:
    if a.complete != b.complete:
        yield (
            "an engine does not show all of a configuration: what only a registry or a layout tells was left out"
        )
