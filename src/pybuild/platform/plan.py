"""What a build would do, without doing it: its group, the plan, and which layers it would find again.

Buildpacks decide in their own time what they make; what is said of layers is what earlier builds left and what the
restorer would give back of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pybuild import engine
from pybuild.platform.build import looked_at, previous_image
from pybuild.platform.caches import read_index
from pybuild.platform.elsewhere import opened_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.lifecycle.cache import CacheIndex, KeptLayer
    from pybuild.lifecycle.detect import Detected
    from pybuild.lifecycle.restore import RestorableLayer
    from pybuild.platform.build import Looked
    from pybuild.platform.prepare import Prepared
    from pybuild.platform.request import BuildRequest
    from pybuild.spec.labels import LayerMetadata

From = Literal["cache", "image", "nothing"]
AppState = Literal["changed", "unchanged", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLayer:
    """A layer that an earlier build had. `source`: what gives it back: the cache with its contents, the image with its
    metadata, or nothing. `types`: launch, build, cache. `size`: bytes of its tar, 0 unknown. `reason`: a sentence's rest.
    """

    buildpack: str
    name: str
    types: tuple[str, ...]
    size: int
    source: From
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """`app`: whether its files are those of the last build. `known`: whether there was a build to learn of layers from."""

    detected: Detected
    builder: str
    run_image: str
    previous: str
    layers: tuple[PlannedLayer, ...]
    app: AppState
    known: bool


def plan(request: BuildRequest) -> BuildPlan:
    """Detect, and look at what is there from before. Nothing is built or kept; `NothingDetected` if nothing would be."""
    with looked_at(request) as looked:
        ready = looked.ready
        index = None if request.clear_cache else _index(ready)
        with opened_elsewhere(request, ready.store) as elsewhere:
            further = None
            if elsewhere is not None and not request.clear_cache:
                from pybuild.lifecycle.cached_layers import index_of

                further = index_of(elsewhere.metadata())
        kept_app = index.app if index else None
        state: AppState = "unknown"
        if kept_app is not None and kept_app.upload:
            state = "unchanged" if kept_app.upload == looked.inputs.upload else "changed"
        previous = looked.analysis.previous
        return BuildPlan(
            detected=looked.detected,
            builder=ready.builder.name,
            run_image=looked.analysis.run_image_name,
            previous=str(previous_image(request)) if previous else "",
            layers=tuple(_layers(looked, index, further)),
            app=state,
            known=bool(index or further or looked.analysis.metadata),
        )


def _index(ready: Prepared) -> CacheIndex | None:
    """What is remembered of the cache, if its volume is still there."""
    try:
        with engine.translating("looking at the cache"):
            ready.client.inspect_volume(ready.volume)
    except engine.NotFound:
        return None
    return read_index(ready.volume, str(ready.request.image))


def _layers(looked: Looked, index: CacheIndex | None, further: CacheIndex | None) -> Iterator[PlannedLayer]:
    found: dict[tuple[str, str], RestorableLayer] = {}
    for cache in (further, index):
        found |= {(layer.buildpack, layer.name): layer for layer in _restorable(looked, cache)}
    metadata = looked.analysis.metadata
    for element in looked.detected.group.buildpacks:
        exported = (metadata.layers_of(element.id).layers or {}) if metadata else {}
        kept = {
            name: layer
            for cache in (further, index)
            if cache is not None
            for name, layer in cache.layers.get(element.id, {}).items()
        }
        for name in dict.fromkeys((*exported, *kept)):
            restorable = found.get((element.id, name))
            yield _planned(element.id, name, exported.get(name), kept.get(name), restorable)


def _restorable(looked: Looked, cache: CacheIndex | None) -> Sequence[RestorableLayer]:
    from pybuild.lifecycle.restore import RestoreInputs, plan_restore

    return plan_restore(
        RestoreInputs(
            group=looked.detected.group,
            layers_dir=looked.inputs.places.layers,
            platform_api=looked.inputs.platform_api,
            previous=looked.analysis.metadata,
            cache=cache,
            skip_layers=looked.ready.request.clear_cache,
        )
    )


def _planned(
    buildpack: str,
    name: str,
    exported: LayerMetadata | None,
    kept: KeptLayer | None,
    restorable: RestorableLayer | None,
) -> PlannedLayer:
    flags = exported or kept
    types = tuple(kind for kind in ("launch", "build", "cache") if getattr(flags, kind, False))
    source: From = "nothing"
    if restorable is not None:
        source = "cache" if restorable.kept else "image"
    reasons = {
        "cache": "with its contents, if nobody altered them",
        "image": "its metadata; the contents stay in the image if its buildpack keeps them",
        "nothing": "the cache does not have it"
        if "cache" in types
        else "its buildpack makes it in every build, for it is not cached",
    }
    return PlannedLayer(
        buildpack=buildpack,
        name=name,
        types=types,
        size=kept.size if kept else 0,
        source=source,
        reason=reasons[source],
    )
