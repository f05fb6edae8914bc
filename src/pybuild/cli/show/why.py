"""`--explain-cache` and `--require-cached`: what became of every layer, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pybuild.cli.show.console import human_size
from pybuild.cli.show.table import table
from pybuild.errors import LayersRebuilt
from pybuild.events import LayerDecided
from pybuild.lifecycle.reasons import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Collection

    from pybuild.events import Event

_MOST_NAMED = 3


@dataclass(slots=True)
class Decisions:
    """Hears what becomes of layers. Of one that was first dropped and then made again, both stand in it."""

    found: list[LayerDecided] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Take in one event. What is in the image and cached, too, is told once."""
        if not isinstance(event, LayerDecided) or event.action == "restored":
            return
        told = {(each.owner, each.layer) for each in self.found if each.action != "dropped"}
        if event.action != "cached" or (event.owner, event.layer) not in told:
            self.found.append(event)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Of each layer its name, what became of it in a word, its size and why."""
        return [
            (_name(each), _verdict(each), human_size(each.size) if each.size else "", each.reason)
            for each in self.found
        ]

    def lines(self, *, width: int) -> list[str]:
        """A table for people."""
        return table(self.rows(), header=("LAYER", "RESULT", "SIZE", "WHY"), width=width, indent="  ")

    def data(self) -> list[dict[str, Any]]:
        """The same for `--json`."""
        return [
            {
                "owner": each.owner,
                "layer": each.layer or None,
                "action": each.action,
                "rebuilt": each.rebuilt,
                "size_bytes": each.size or None,
                "reason": each.reason,
            }
            for each in self.found
        ]

    def check(self, buildpacks: Collection[str]) -> None:
        """Raise `LayersRebuilt` if one of these buildpacks, by id, made a layer in this build."""
        rebuilt = [
            each
            for each in self.found
            if (each.rebuilt or each.action == "dropped") and each.owner in buildpacks
        ]
        if rebuilt:
            named = "; ".join(f"{_name(each)}: {each.reason}" for each in rebuilt[:_MOST_NAMED])
            more = f"; and {len(rebuilt) - _MOST_NAMED} more" if len(rebuilt) > _MOST_NAMED else ""
            many = "1 layer was" if len(rebuilt) == 1 else f"{len(rebuilt)} layers were"
            raise LayersRebuilt(f"{many} not taken from the cache: {named}{more}")


def _name(each: LayerDecided) -> str:
    return f"{each.owner}:{each.layer}" if each.layer else each.owner


def _verdict(each: LayerDecided) -> str:
    """One word: a cached layer that nobody touched is reused, too."""
    if each.rebuilt:
        return "rebuilt"
    if each.action == "cached":
        return "reused" if each.reason == UNCHANGED else "updated"
    return each.action
