"""What became of every layer, as events: added, reused or kept for later, made again or not, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.events import LayerDecided, emit
from pybuild.lifecycle import reasons

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pybuild.lifecycle.cache import CacheIndex
    from pybuild.lifecycle.export import ExportInputs
    from pybuild.lifecycle.image_layers import ImageLayer, ImageLayers


def tell_layers(new: ImageLayers, sha: Mapping[ImageLayer, str], previous: Collection[str]) -> None:
    """What became of each layer of the image, and why. `previous`: diff ids of the image from before."""
    of_buildpacks = set(new.buildpacks.values())
    for each, diff_id in sha.items():
        reused = diff_id in previous
        made = each.missed or (not reused and each.reason != reasons.UNCHANGED)
        emit(
            LayerDecided(
                action="reused" if reused else "added",
                owner=each.owner,
                layer=each.name,
                reason=reasons.after_all(each.reason, reused=reused, earlier=bool(previous)),
                size=each.layer.size,
                rebuilt=made and each in of_buildpacks,
            )
        )


def tell_cached(inputs: ExportInputs, new: CacheIndex) -> None:
    """What is kept for later builds, and whether it is what was kept before."""
    for built in inputs.built.buildpacks:
        for layer in built.layers:
            now = new.layer(built.module.id, layer.name)
            if now is None or not now.cache:
                continue
            kept = inputs.cache.layer(built.module.id, layer.name) if inputs.cache else None
            # A layer that came from a cache elsewhere has no stamp here from before: then its metadata must do.
            same = kept is not None and (
                now.stamp == kept.stamp if kept.stamp and now.stamp else kept.metadata == now.metadata
            )
            made = reasons.why_made(kept, inputs.cache, layer.toml.metadata, cached=True)
            emit(
                LayerDecided(
                    action="cached",
                    owner=built.module.id,
                    layer=layer.name,
                    reason=reasons.UNCHANGED if same else made,
                    rebuilt=reasons.is_missed(kept, layer.toml.metadata),
                )
            )
