"""Layers in and out of a cache that holds them as tars: what `restore` and the cache index are for layers in place.

The tars were verified against their digests; their entries are believed no more than that. An entry is unpacked
only below the folder of the very layer that it belongs to, and never through a symlink.

Specification: buildpack.md, "Layer Types", "Cached Layers"; platform.md, "restorer", "exporter". Shapes: GO-05, GO-08.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive
from pybuild.events import LayerDecided, detail, emit, info, warn
from pybuild.lifecycle.cache import CacheIndex, KeptApp, KeptLayer
from pybuild.lifecycle.cached_tar import below
from pybuild.lifecycle.content import known_layer, new_layer
from pybuild.lifecycle.exportable import SBOM_ENDINGS, Exportable, parents_of, stat_folders
from pybuild.lifecycle.layers import dir_layer
from pybuild.lifecycle.restore import RestorableLayer, RestoreInputs, plan_restore, write_metadata
from pybuild.lifecycle.scripts import run_lines
from pybuild.spec.cache import CacheMetadata
from pybuild.spec.labels import BuildpackLayers, LayerMetadata
from pybuild.spec.names import escape_id
from pybuild.stores.api import UnusableLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.build import Built, BuiltLayer
    from pybuild.spec.api import ApiVersion
    from pybuild.spec.labels import LifecycleMetadata
    from pybuild.stores.api import Layer, LayerCache

_SBOMS_SINCE = 8  # minor version of the Platform API
_SBOM_FILE = re.compile(
    rf"(?:cache|launch)/(?P<own>[^/]+)/(?P<layer>[^/]+)/(?:{'|'.join(map(re.escape, SBOM_ENDINGS))})"
)


def index_of(metadata: CacheMetadata) -> CacheIndex:
    """The cached layers in the form that `plan_restore` takes."""
    return CacheIndex(
        owner="",
        layers={
            buildpack.id: {
                name: KeptLayer(
                    diff_id=layer.sha,
                    size=0,
                    stamp="",
                    launch=layer.launch,
                    build=layer.build,
                    cache=layer.cache,
                    metadata=layer.data,
                )
                for name, layer in (buildpack.layers or {}).items()
            }
            for buildpack in metadata.buildpacks
        },
    )


def index_of_image(previous: LifecycleMetadata, size: Callable[[str], int]) -> CacheIndex:
    """What is known of the previous image's layers, so that equal ones are recognised.

    `size`: bytes of a layer's tar by its diff ID, where that is at hand; 0 elsewhere.
    """
    layers = {
        buildpack.id: {
            name: KeptLayer(
                diff_id=layer.sha,
                size=size(layer.sha),
                stamp="",
                launch=True,
                build=layer.build,
                cache=layer.cache,
                metadata=layer.data,
            )
            for name, layer in (buildpack.layers or {}).items()
            if layer.sha
        }
        for buildpack in previous.buildpacks or ()
    }
    app = tuple((sha, size(sha)) for sha in previous.app or ())
    return CacheIndex(
        owner="", layers=layers, app=KeptApp(upload="", tar_terms="", slices=(), layers=app) if app else None
    )


def restore_from(env: BuildEnv, inputs: RestoreInputs, cache: LayerCache | None) -> list[RestorableLayer]:
    """Unpack the cached layers that this build may use, write the metadata of all that come back; return those.

    A layer whose tar is missing or damaged does not come back, metadata included (GO-07, RST-07). `inputs.cache` is
    not asked for: the cache itself is.
    """
    metadata = cache.metadata() if cache else CacheMetadata()
    inputs = replace(inputs, cache=index_of(metadata))
    if inputs.skip_layers:
        info("Skipping buildpack layer analysis")
    restored = []
    for layer in plan_restore(inputs):
        info(f'Restoring metadata for "{layer.buildpack}:{layer.name}" from {layer.source}')
        if layer.kept is None or (cache and unpack_layer(env, cache, layer, inputs.layers_dir)):
            restored.append(layer)
    write_metadata(env, inputs, restored)
    if inputs.platform_api.minor >= _SBOMS_SINCE and not inputs.skip_layers:
        bring_sboms(env, cache, inputs.layers_dir, restored)
    return restored


def bring_sboms(
    env: BuildEnv, cache: LayerCache | None, layers_dir: str, restored: Iterable[RestorableLayer]
) -> None:
    """Put the restored layers' SBOMs beside them, those of the cache among them."""
    sbom = cache.metadata().sbom if cache else ""
    if cache and sbom:
        info("Restoring data for SBOM from cache")
        restore_sboms(env, cache.read(sbom), layers_dir, "cache")
    _put_sboms_beside(env, layers_dir, restored)


def restore_sboms(env: BuildEnv, chunks: Iterable[bytes], layers_dir: str, kind: str) -> None:
    """Unpack an image's or cache's SBOM layer into `<layers>/sbom/<kind>`; one that cannot be read is left out."""
    folder = f"{layers_dir}/sbom/{kind}"
    try:
        _unpack(env, chunks, folder)
    except (UnusableLayer, InvalidArchive) as exc:
        warn(f"SBOMs of earlier builds are not restored: {exc}")
        run_lines(env, [f"rm -rf -- {quote(folder)}"])


def keep_layers(
    env: BuildEnv,
    cache: LayerCache,
    built: Built,
    found: Exportable,
    index: CacheIndex,
    platform_api: ApiVersion,
) -> CacheIndex:
    """Put all cached layers and their SBOMs into the cache (EXP-20, CCH-02).

    `found`: what the exporter looked at. `index`: what is known of the layers, such as the diff IDs of those that are in the
    image too; it is returned with those of all that are kept. Raises `OSError` or `PybuildError` with the cache as it was.
    """
    kept = [
        (module.module.id, layer)
        for module in built.buildpacks
        for layer in module.layers
        if _to_keep(module.module.id, layer)
    ]
    layers = [
        _packed(env, found, layer.path, f"{buildpack}:{layer.name}", index.layer(buildpack, layer.name))
        for buildpack, layer in kept
    ]
    if platform_api.minor >= _SBOMS_SINCE and "cache" in built.sbom_dirs:
        path = f"{found.layers_dir}/sbom/cache"
        layers.append(_packed(env, found, path, "buildpacksio/lifecycle:cache.sbom"))

    def describe(shas: Sequence[str]) -> CacheMetadata:
        return CacheMetadata(
            sbom=shas[len(kept)] if len(shas) > len(kept) else "",
            buildpacks=tuple(
                BuildpackLayers(
                    id=module.module.id,
                    version=module.module.version,
                    layers={
                        layer.name: _described(layer, sha)
                        for (buildpack, layer), sha in zip(kept, shas, strict=False)
                        if buildpack == module.module.id
                    },
                )
                for module in built.buildpacks
            ),
        )

    shas = cache.write(layers, describe)
    found_out = dict(index.layers)
    for (buildpack, layer), packed, sha in zip(kept, layers, shas, strict=False):
        if known := index.layer(buildpack, layer.name):
            sized = replace(known, diff_id=sha, size=packed.size)
            found_out[buildpack] = {**found_out[buildpack], layer.name: sized}
    return replace(index, layers=found_out)


def _to_keep(buildpack: str, layer: BuiltLayer) -> bool:
    if layer.toml.cache and not layer.has_directory:
        warn(f"Failed to cache layer '{buildpack}:{layer.name}' because it has no contents")
    return layer.toml.cache and layer.has_directory


def _described(layer: BuiltLayer, sha: str) -> LayerMetadata:
    return LayerMetadata(
        sha=sha, data=layer.toml.metadata, build=layer.toml.build, launch=layer.toml.launch, cache=True
    )


def _packed(env: BuildEnv, found: Exportable, path: str, name: str, known: KeptLayer | None = None) -> Layer:
    """A folder as a layer, read when its content is asked for."""
    listing = found.listings.get(path) or env.scan([path])[0]
    parents = parents_of(path)
    if any(parent not in found.parents for parent in parents):
        folders = stat_folders(env, parents)
        above = [folders[parent] for parent in parents]
    else:
        above = found.above(path)
    plan = partial(dir_layer, listing.entries, above, uid=found.uid, gid=found.gid)
    if known and known.diff_id and known.size:
        return known_layer(env, plan, listing, diff_id=known.diff_id, size=known.size, created_by=name)
    return new_layer(env, plan(), listing, name)


def unpack_layer(env: BuildEnv, cache: LayerCache, layer: RestorableLayer, layers_dir: str) -> int:
    """Put a cached layer in its place; bytes of its tar, 0 if it is not there now. What an unreadable one left is removed."""
    assert layer.kept is not None
    path = layer.path(layers_dir)
    content = _Counted(cache.read(layer.kept.diff_id))
    try:
        _unpack(env, content, path)
    except (UnusableLayer, InvalidArchive) as exc:
        run_lines(env, [f"rm -rf -- {quote(path)}"])
        warn(f"Skipping restore for layer {layer.buildpack}:{layer.name}: {exc}")
        return 0
    emit(LayerDecided(action="restored", owner=layer.buildpack, layer=layer.name))
    return content.size


class _Counted:
    """Chunks whose bytes are counted as they pass."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            yield chunk


def _unpack(env: BuildEnv, chunks: Iterable[bytes], folder: str) -> None:
    run_lines(env, [f"mkdir -p -- {quote(folder)}"])
    env.unpack(folder, below(chunks, folder, uid=env.uid, gid=env.gid))


def _put_sboms_beside(env: BuildEnv, layers_dir: str, restored: Iterable[RestorableLayer]) -> None:
    """Copy each restored layer's SBOMs to where its buildpack may leave them; remove `<layers>/sbom` (RST-09, GO-08)."""
    sboms = f"{layers_dir}/sbom"
    names = {(escape_id(layer.buildpack), layer.name) for layer in restored}
    lines = []
    if names:
        found = [listing for kind in ("cache", "launch") for listing in env.scan([f"{sboms}/{kind}"])]
        for entry in (entry for listing in found for entry in listing.entries if entry.kind == "f"):
            match = _SBOM_FILE.fullmatch(entry.path.removeprefix(f"{sboms}/"))
            if match and (match["own"], match["layer"]) in names:
                target = f"{layers_dir}/{match['own']}/{match['layer']}.{posixpath.basename(entry.path)}"
                lines.append(f"mkdir -p -- {quote(posixpath.dirname(target))}")
                lines.append(f"cp -- {quote(entry.path)} {quote(target)}")
                detail(f"Restoring {target}")
    run_lines(env, [*lines, f"rm -rf -- {quote(sboms)}"])
