"""Restore: bring back what earlier builds left for the buildpacks of this group, and clear away all the rest.

Cached layers lie in the layers directory already; restoring them means to leave them there, once their stamps
show that nothing has changed since they were exported. Only their small metadata files are written.

Specification: platform.md, "restorer"; buildpack.md, "Layer Types", "Cached Layers", "Launch Layers".
"""

from __future__ import annotations

import posixpath
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pybuild.errors import BuildError, RestoreError
from pybuild.events import LayerDecided, detail, emit, info
from pybuild.lifecycle.exportable import SBOM_ENDINGS
from pybuild.lifecycle.scripts import run_lines, write_file
from pybuild.spec.api import ApiVersion
from pybuild.spec.layer import LayerToml
from pybuild.spec.names import escape_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.cache import CacheIndex, KeptLayer
    from pybuild.spec.labels import LayerMetadata, LifecycleMetadata
    from pybuild.spec.order import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreInputs:
    """`previous`: label of the previous image, None without one. `cache`: None without a usable one.

    `skip_layers`: restore nothing but store.toml (`--clear-cache`).
    """

    group: Group
    layers_dir: str
    platform_api: ApiVersion
    previous: LifecycleMetadata | None
    cache: CacheIndex | None
    skip_layers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RestorableLayer:
    """One layer whose metadata comes back; `kept` set: its contents too, if they still are what they were.

    `sboms`: stamp of each SBOM file that comes back with it, by ending.
    """

    buildpack: str
    name: str
    source: Literal["app image", "cache"]
    metadata: Any
    kept: KeptLayer | None = None
    sboms: Mapping[str, str] = field(default_factory=dict)

    def path(self, layers_dir: str) -> str:
        """Folder of the layer."""
        return f"{layers_dir}/{escape_id(self.buildpack)}/{self.name}"

    @property
    def in_place(self) -> list[str]:
        """Names in the buildpack's folder that have to stay: the layer's folder, its SBOM files."""
        folder = [self.name] if self.kept else []
        return [*folder, *(f"{self.name}.{ending}" for ending in self.sboms)]

    def stamps(self, layers_dir: str) -> dict[str, str]:
        """The stamps that these must have, by path."""
        path = self.path(layers_dir)
        folder = {path: self.kept.stamp} if self.kept else {}
        return folder | {f"{path}.{ending}": stamp for ending, stamp in self.sboms.items()}


def plan_restore(inputs: RestoreInputs) -> list[RestorableLayer]:
    """Which layers come back, before anything is looked at (pure). Covers RST-02 to RST-08 and GO-71."""
    if inputs.skip_layers:
        return []
    planned: list[RestorableLayer] = []
    for element in inputs.group.buildpacks:
        exported = (inputs.previous.layers_of(element.id).layers or {}) if inputs.previous else {}
        cached = inputs.cache.layers.get(element.id, {}) if inputs.cache else {}
        of_image = [
            _from_image(element.id, name, layer, cached.get(name))
            for name, layer in exported.items()
            if _comes_from_image(element.id, name, layer, cached.get(name))
        ]
        taken = {layer.name for layer in of_image}
        planned += of_image
        planned += [
            _from_cache(element.id, name, kept)
            for name, kept in cached.items()
            # Before Platform API 0.14 a launch layer comes back only beside the image that it is in.
            if kept.cache
            and name not in taken
            and not (kept.launch and (name in exported or inputs.platform_api < ApiVersion(0, 14)))
        ]
    return planned


def _comes_from_image(buildpack: str, name: str, layer: LayerMetadata, kept: KeptLayer | None) -> bool:
    if not layer.launch or (layer.build and not layer.cache):
        # A launch layer that the build needs too is made anew by its buildpack each time.
        return False
    if layer.cache and (kept is None or not kept.cache or kept.diff_id != layer.sha):
        # Metadata and contents come back together or not at all; and only if the cache holds the very layer
        # that the image has.
        detail(f'Not restoring "{buildpack}:{name}": the cache does not hold the layer of the image')
        return False
    return True


def _from_image(buildpack: str, name: str, layer: LayerMetadata, kept: KeptLayer | None) -> RestorableLayer:
    return RestorableLayer(
        buildpack=buildpack,
        name=name,
        source="app image",
        metadata=layer.data,
        kept=kept if layer.cache else None,
        sboms=_sboms(kept),
    )


def _from_cache(buildpack: str, name: str, kept: KeptLayer) -> RestorableLayer:
    return RestorableLayer(
        buildpack=buildpack, name=name, source="cache", metadata=kept.metadata, kept=kept, sboms=_sboms(kept)
    )


def _sboms(kept: KeptLayer | None) -> dict[str, str]:
    known = kept.sboms if kept else {}
    return {ending: stamp for ending, stamp in known.items() if ending in SBOM_ENDINGS}


def restore(env: BuildEnv, inputs: RestoreInputs) -> list[RestorableLayer]:
    """Leave in the layers directory exactly what this build may use; return the restored layers.

    Round trips: three at most. `RestoreError` (42) when something there can neither be used nor removed.
    """
    unaltered = _unaltered(env, plan_restore(inputs), inputs.layers_dir)
    lost = _clear_away(env, inputs.layers_dir, _kept_names(unaltered))
    restored = []
    for layer in unaltered:
        if escape_id(layer.buildpack) in lost and layer.in_place:
            _tell_dropped(layer, "the folder of its buildpack was replaced by something else")
        else:
            restored.append(layer)
    write_metadata(env, inputs, restored)
    for layer in restored:
        if layer.kept:
            detail(f'Restoring metadata for "{layer.buildpack}:{layer.name}" from {layer.source}')
            emit(
                LayerDecided(action="restored", owner=layer.buildpack, layer=layer.name, size=layer.kept.size)
            )
        else:
            info(f'Restoring metadata for "{layer.buildpack}:{layer.name}" from {layer.source}')
    return restored


def _unaltered(env: BuildEnv, planned: Sequence[RestorableLayer], layers_dir: str) -> list[RestorableLayer]:
    """`planned` without the layers whose files or SBOMs are not what they were; one round trip."""
    expected = {layer: layer.stamps(layers_dir) for layer in planned}
    roots = [path for stamps in expected.values() for path in stamps]
    found = {listing.root: listing.stamp for listing in env.scan(roots)} if roots else {}
    unaltered = []
    for layer, stamps in expected.items():
        if not all(stamps.values()):
            _tell_dropped(layer, "nothing here could tell whether it changed")
        elif any(found[path] != stamp for path, stamp in stamps.items()):
            _tell_dropped(layer, "its files are not as the last good build left them")
        else:
            unaltered.append(layer)
    return unaltered


def _tell_dropped(layer: RestorableLayer, reason: str) -> None:
    emit(LayerDecided(action="dropped", owner=layer.buildpack, layer=layer.name, reason=reason))


def _kept_names(restored: Iterable[RestorableLayer]) -> dict[str, list[str]]:
    """Names to keep, by buildpack folder."""
    kept: dict[str, list[str]] = {}
    for layer in restored:
        if layer.in_place:
            kept.setdefault(escape_id(layer.buildpack), []).extend(layer.in_place)
    return kept


def _clear_away(env: BuildEnv, layers_dir: str, kept: Mapping[str, Sequence[str]]) -> set[str]:
    """Remove everything in the layers directory but the kept names; return the folders that were no folders.

    Never goes through a symlink.
    """
    lines = [_sweep(".", kept)]
    for folder, names in kept.items():
        at = shlex.quote(folder)
        lines.append(
            f"if [ -d {at} ] && [ ! -L {at} ]; then [ -w {at} ] || chmod u+rwx {at}; {_sweep(folder, names)};"
            f" else remove {at}; echo {at}; fi"
        )
    try:
        said = run_lines(env, lines, first=f"cd -P -- {shlex.quote(layers_dir)}\n{_REMOVE}")
    except BuildError as exc:
        raise RestoreError(
            f"what earlier builds left in {layers_dir} cannot be cleared away: {exc}",
            hint="build with --clear-cache",
        ) from exc
    return set(said.decode().split())


# Many in one process. A read-only folder of the build user's own stops rm; then its modes are put right first.
_REMOVE = """
remove() {
    if [ $# = 0 ] || rm -rf -- "$@" 2>/dev/null; then return 0; fi
    for q in "$@"; do if [ -e "$q" ] && [ ! -L "$q" ]; then chmod -R u+rwX -- "$q"; fi; done
    rm -rf -- "$@"
}"""
_AT_ONCE = 200


def _sweep(folder: str, kept: Iterable[str]) -> str:
    """Shell words that remove all in `folder` but the kept names, whatever the others are called."""
    at = shlex.quote(f"./{folder}")
    names = "|".join(map(shlex.quote, kept))
    keep = f'case "${{p##*/}}" in {names}) continue;; esac; ' if names else ""
    return (
        f"set --; for p in {at}/* {at}/.[!.]* {at}/..?*; do "
        f'if [ ! -e "$p" ] && [ ! -L "$p" ]; then continue; fi; {keep}set -- "$@" "$p"; '
        f'if [ $# = {_AT_ONCE} ]; then remove "$@"; set --; fi; done; remove "$@"'
    )


def write_metadata(env: BuildEnv, inputs: RestoreInputs, restored: Iterable[RestorableLayer]) -> None:
    """Write the store.toml of every buildpack of the group and the metadata of the layers that come back (RST-01)."""
    files = _metadata_files(inputs, restored)
    if files:
        folders = sorted({posixpath.dirname(path) for path in files})
        lines = [line for path, content in files.items() for line in write_file(path, content.decode())]
        run_lines(env, [f"mkdir -p -- {' '.join(map(shlex.quote, folders))}", *lines])


def _metadata_files(inputs: RestoreInputs, restored: Iterable[RestorableLayer]) -> dict[str, bytes]:
    files = {}
    for element in inputs.group.buildpacks:
        store = inputs.previous.layers_of(element.id).store if inputs.previous else None
        if store is not None:
            path = f"{inputs.layers_dir}/{escape_id(element.id)}/store.toml"
            files[path] = store.write()
    for layer in restored:
        toml = LayerToml(launch=False, build=False, cache=False, metadata=layer.metadata)
        # Types are left out: a buildpack opts into reuse by writing them again (RST-05).
        files[f"{layer.path(inputs.layers_dir)}.toml"] = toml.write_restored()
    return files
