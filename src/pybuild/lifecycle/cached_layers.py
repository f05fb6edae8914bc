"""Layers in and out of a cache that holds them as tars: what `restore` and the cache index are for layers in place.

The tars were verified against their digests; their entries are believed no more than that. An entry is unpacked
only below the folder of the very layer that it belongs to, and never through a symlink.

Specification: buildpack.md, "Layer Types", "Cached Layers"; platform.md, "restorer", "exporter". Shapes: GO-05, GO-08.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive
from pybuild.events import LayerDecided, detail, emit, info, warn
from pybuild.lifecycle.cache import CacheIndex, KeptApp, KeptLayer
from pybuild.lifecycle.content import new_layer
from pybuild.lifecycle.exportable import SBOM_ENDINGS, Exportable, parents_of, stat_folders
from pybuild.lifecycle.layers import dir_layer
from pybuild.lifecycle.restore import RestorableLayer, RestoreInputs, plan_restore, write_metadata
from pybuild.lifecycle.scripts import run_lines
from pybuild.oci import tar
from pybuild.spec.cache import CacheMetadata
from pybuild.spec.labels import BuildpackLayers, LayerMetadata
from pybuild.spec.names import escape_id
from pybuild.stores.tar_cache import TarCache, UnusableLayer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.build import Built, BuiltLayer
    from pybuild.spec.api import ApiVersion
    from pybuild.spec.labels import LifecycleMetadata

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


def launch_index(previous: LifecycleMetadata, cache: TarCache) -> CacheIndex:
    """What is known of the previous image's layers whose tars are at hand, so that equal ones are recognised."""
    layers = {
        buildpack.id: {
            name: KeptLayer(
                diff_id=layer.sha,
                size=cache.size(layer.sha),
                stamp="",
                launch=True,
                build=layer.build,
                cache=layer.cache,
                metadata=layer.data,
            )
            for name, layer in (buildpack.layers or {}).items()
            if cache.size(layer.sha)
        }
        for buildpack in previous.buildpacks or ()
    }
    app = tuple((sha, cache.size(sha)) for sha in previous.app or () if cache.size(sha))
    return CacheIndex(
        owner="", layers=layers, app=KeptApp(upload="", tar_terms="", slices=(), layers=app) if app else None
    )


def restore_from(env: BuildEnv, inputs: RestoreInputs, cache: TarCache | None) -> list[RestorableLayer]:
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
        if layer.kept is None or (cache and _unpacked(env, cache, layer, layer.kept, inputs.layers_dir)):
            restored.append(layer)
    write_metadata(env, inputs, restored)
    if inputs.platform_api.minor >= _SBOMS_SINCE and not inputs.skip_layers:
        if cache and metadata.sbom:
            info("Restoring data for SBOM from cache")
            restore_sboms(env, cache.read(metadata.sbom), inputs.layers_dir, "cache")
        _put_sboms_beside(env, inputs.layers_dir, restored)
    return restored


def restore_sboms(env: BuildEnv, chunks: Iterable[bytes], layers_dir: str, kind: str) -> None:
    """Unpack an image's or cache's SBOM layer into `<layers>/sbom/<kind>`; one that cannot be read is left out."""
    folder = f"{layers_dir}/sbom/{kind}"
    try:
        env.unpack(folder, _below(chunks, folder))
    except (UnusableLayer, InvalidArchive) as exc:
        warn(f"SBOMs of earlier builds are not restored: {exc}")
        run_lines(env, [f"rm -rf -- {quote(folder)}"])


def keep_layers(
    env: BuildEnv,
    cache: TarCache,
    built: Built,
    found: Exportable,
    diff_ids: Mapping[tuple[str, str], str],
    platform_api: ApiVersion,
) -> None:
    """Put all cached layers and their SBOMs into the cache and commit it (EXP-20, CCH-02).

    `found`: what the exporter looked at. `diff_ids`: of the layers that are in the image too, by buildpack and name.
    Raises `OSError` with the cache as it was.
    """
    keeper = _Keeper(env, cache, found)
    buildpacks = tuple(
        BuildpackLayers(
            id=module.module.id,
            version=module.module.version,
            layers={
                layer.name: LayerMetadata(
                    sha=keeper.layer(
                        module.module.id, layer, diff_ids.get((module.module.id, layer.name), "")
                    ),
                    data=layer.toml.metadata,
                    build=layer.toml.build,
                    launch=layer.toml.launch,
                    cache=True,
                )
                for layer in module.layers
                if keeper.wants(module.module.id, layer)
            },
        )
        for module in built.buildpacks
    )
    sbom = keeper.sboms() if platform_api.minor >= _SBOMS_SINCE and "cache" in built.sbom_dirs else ""
    cache.commit(CacheMetadata(sbom=sbom, buildpacks=buildpacks))


class _Keeper:
    """Writes layers into a cache."""

    def __init__(self, env: BuildEnv, cache: TarCache, found: Exportable) -> None:
        self._env = env
        self._cache = cache
        self._found = found

    def wants(self, buildpack: str, layer: BuiltLayer) -> bool:
        """Whether the layer is one to keep."""
        if layer.toml.cache and not layer.has_directory:
            warn(f"Failed to cache layer '{buildpack}:{layer.name}' because it has no contents")
        return layer.toml.cache and layer.has_directory

    def layer(self, buildpack: str, layer: BuiltLayer, diff_id: str) -> str:
        """Keep one layer; return its diff ID. `diff_id`: of the same files in the image, "" if they are not in it."""
        name = f"{buildpack}:{layer.name}"
        if diff_id and self._cache.size(diff_id):
            try:
                self._cache.keep(diff_id)
            except UnusableLayer as exc:
                warn(f"Skipping reuse for layer {name}: {exc}")
            else:
                info(f"Reusing cache layer '{name}'")
                return diff_id
        info(f"Adding cache layer '{name}'")
        return self._cache.add(self._packed(layer.path))

    def sboms(self) -> str:
        """Keep the SBOMs of cached layers; return the diff ID of their layer."""
        info("Adding cache layer 'buildpacksio/lifecycle:cache.sbom'")
        return self._cache.add(self._packed(f"{self._found.layers_dir}/sbom/cache"))

    def _packed(self, path: str) -> Iterator[bytes]:
        found = self._found
        listing = found.listings.get(path) or self._env.scan([path])[0]
        parents = parents_of(path)
        if any(parent not in found.parents for parent in parents):
            known = stat_folders(self._env, parents)
            above = [known[parent] for parent in parents]
        else:
            above = found.above(path)
        planned = dir_layer(listing.entries, above, uid=found.uid, gid=found.gid)
        return new_layer(self._env, planned, listing, f"cache layer {path}").open()


def _unpacked(
    env: BuildEnv, cache: TarCache, layer: RestorableLayer, kept: KeptLayer, layers_dir: str
) -> bool:
    """Whether the layer is in place now. What an unreadable one left is removed."""
    path = layer.path(layers_dir)
    try:
        env.unpack(path, _below(cache.read(kept.diff_id), path))
    except (UnusableLayer, InvalidArchive) as exc:
        run_lines(env, [f"rm -rf -- {quote(path)}"])
        warn(f"Skipping restore for layer {layer.buildpack}:{layer.name}: {exc}")
        return False
    emit(LayerDecided(action="restored", owner=layer.buildpack, layer=layer.name))
    return True


def _below(chunks: Iterable[bytes], folder: str) -> Iterator[bytes]:
    """The tar's entries below `folder`, named from there; its parents are left out, anything else is refused."""
    root = os.fsencode(folder).strip(b"/")
    above = {os.fsencode(parent).strip(b"/") for parent in parents_of(folder)}
    for member, body in tar.read(chunks):
        name = member.name.strip(b"/")
        if name in above:
            continue
        if name == root and member.kind != tar.DIRECTORY:
            raise InvalidArchive(f"{folder} is no directory in the archive")
        entry = tar.TarEntry(
            name=_inside(name, root),
            kind=member.kind,
            mode=member.mode,
            uid=member.uid,
            gid=member.gid,
            size=member.size,
            linkname=_inside(member.linkname.strip(b"/"), root)
            if member.kind == tar.HARD_LINK
            else member.linkname,
        )
        yield tar.header(entry)
        yield from body
        yield tar.padding(member.size)
    yield tar.TRAILER


def _inside(name: bytes, root: bytes) -> bytes:
    if name == root:
        return b"."
    if not name.startswith(root + b"/"):
        raise InvalidArchive(f"{os.fsdecode(name)[:200]!r} does not belong to /{os.fsdecode(root)}")
    return name[len(root) + 1 :]


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
