"""Cached layers that travel: from a cache elsewhere into the layers directory, and back there after the build.

What lies in place counts first. Only what is missing there is fetched, and proved by its digest before a byte of it is
used; what did not change is not read again for the way back. Design: docs/adr/0007-caches-elsewhere.md.

Specification: buildpack.md, "Cached Layers"; platform.md, "Caching".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.errors import PybuildError
from pybuild.events import warn
from pybuild.lifecycle.cache import CacheIndex
from pybuild.lifecycle.cached_layers import bring_sboms, index_of, keep_layers, unpack_layer
from pybuild.lifecycle.restore import plan_restore, restore, write_metadata

if TYPE_CHECKING:
    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.build import Built
    from pybuild.lifecycle.cache import KeptLayer
    from pybuild.lifecycle.export import Exported
    from pybuild.lifecycle.restore import RestorableLayer, RestoreInputs
    from pybuild.spec.api import ApiVersion
    from pybuild.stores.api import LayerCache


def restore_with(env: BuildEnv, inputs: RestoreInputs, cache: LayerCache) -> CacheIndex | None:
    """Restore from the layers in place, then from `cache`; return what is known of all that lies in place now."""
    here = restore(env, inputs)
    if inputs.skip_layers:
        return inputs.cache
    have = {(layer.buildpack, layer.name) for layer in here}
    planned = plan_restore(replace(inputs, cache=index_of(cache.metadata())))
    came: dict[RestorableLayer, int] = {}
    for layer in planned:
        if layer.kept and (layer.buildpack, layer.name) not in have:
            size = unpack_layer(env, cache, layer, inputs.layers_dir)
            if size:
                came[layer] = size
    if not came:
        return inputs.cache
    write_metadata(env, inputs, came)
    if inputs.platform_api.minor >= 8:
        bring_sboms(env, cache, inputs.layers_dir, came)
    index = inputs.cache or CacheIndex(owner="")
    layers = {buildpack: dict(kept) for buildpack, kept in index.layers.items()}
    for layer, size in came.items():
        assert layer.kept is not None
        layers.setdefault(layer.buildpack, {})[layer.name] = replace(layer.kept, size=size)
    return replace(index, layers=layers)


def keep_with(
    env: BuildEnv,
    cache: LayerCache,
    exported: Exported,
    built: Built,
    before: CacheIndex | None,
    platform_api: ApiVersion,
) -> Exported:
    """Put the cached layers into `cache`; what was learnt of them is in the index that comes back.

    A cache that fails is a warning (GO-81, G4). `before`: what was known of the layers before the build.
    """
    index = _remembered(exported.index, before)
    try:
        index = keep_layers(env, cache, built, exported.found, index, platform_api)
    except (OSError, PybuildError) as exc:
        warn(f"the layers of this build are not in the cache: {exc}")
    return replace(exported, index=index)


def _remembered(index: CacheIndex, before: CacheIndex | None) -> CacheIndex:
    """`index` with the diff IDs of layers that are in no image and have not changed since they were packed."""

    def known(buildpack: str, name: str, layer: KeptLayer) -> KeptLayer:
        old = before.layer(buildpack, name) if before else None
        same = old and (old.stamp, old.tar_terms) == (layer.stamp, layer.tar_terms)
        if layer.diff_id or not old or not layer.stamp or not same:
            return layer
        return replace(layer, diff_id=old.diff_id, size=old.size)

    return replace(
        index,
        layers={
            buildpack: {name: known(buildpack, name, layer) for name, layer in layers.items()}
            for buildpack, layers in index.layers.items()
        },
    )
