"""Restore: bring back what earlier builds left for the buildpacks of this group, and clear away all the rest.

Cached layers lie in the layers directory already; restoring them means to leave them there, once their stamps
show that nothing has changed since they were exported. Only their small metadata files are written.

Specification: platform.md, "restorer"; buildpack.md, "Layer Types", "Cached Layers", "Launch Layers".
"""

from __future__ import annotations

import posixpath
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pybuild.events import LayerDecided, detail, emit, info
from pybuild.lifecycle.scripts import run_lines, write_file
from pybuild.spec.api import ApiVersion
from pybuild.spec.layer import LayerToml
from pybuild.spec.names import escape_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.cache import CacheIndex, KeptLayer
    from pybuild.spec.labels import LifecycleMetadata
    from pybuild.spec.order import Group

_SBOM_ENDINGS = ("sbom.cdx.json", "sbom.spdx.json", "sbom.syft.json")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorableLayer:
    """One layer whose metadata comes back; `kept` set: its contents too, if they still are what they were."""

    buildpack: str
    name: str
    source: Literal["app image", "cache"]
    metadata: Any
    kept: KeptLayer | None = None
    sboms: Mapping[str, str] | None = None

    def path(self, layers_dir: str) -> str:
        """Folder of the layer."""
        return f"{layers_dir}/{escape_id(self.buildpack)}/{self.name}"


def plan_restore(inputs: RestoreInputs) -> list[RestorableLayer]:
    """Which layers come back, before anything is looked at (pure). Covers RST-03 to RST-08 and GO-71."""
    if inputs.skip_layers:
        return []
    planned = []
    for element in inputs.group.buildpacks:
        exported = (inputs.previous.layers_of(element.id).layers or {}) if inputs.previous else {}
        cached = inputs.cache.layers.get(element.id, {}) if inputs.cache else {}
        for name, layer in exported.items():
            kept = cached.get(name)
            if not layer.launch or (layer.build and not layer.cache):
                # A launch layer that the build needs too is made anew by its buildpack each time.
                continue
            if layer.cache and (kept is None or not kept.cache or kept.diff_id != layer.sha):
                # Metadata and contents come back together or not at all; and only if the cache holds the
                # very layer that the image has.
                detail(f'Not restoring "{element.id}:{name}": the cache does not hold the layer of the image')
                continue
            planned.append(
                RestorableLayer(
                    buildpack=element.id,
                    name=name,
                    source="app image",
                    metadata=layer.data,
                    kept=kept if layer.cache else None,
                    sboms=kept.sboms if kept else None,
                )
            )
        for name, kept in cached.items():
            if not kept.cache or (
                kept.launch and (name in exported or inputs.platform_api < ApiVersion(0, 14))
            ):
                continue
            planned.append(
                RestorableLayer(
                    buildpack=element.id,
                    name=name,
                    source="cache",
                    metadata=kept.metadata,
                    kept=kept,
                    sboms=kept.sboms,
                )
            )
    return planned


def restore(env: BuildEnv, inputs: RestoreInputs) -> list[RestorableLayer]:
    """Leave in the layers directory exactly what this build may use; return the restored layers."""
    planned = plan_restore(inputs)
    restored = _unaltered(env, planned, inputs.layers_dir)
    _clear_away(env, inputs.layers_dir, _kept_names(restored))
    _write(env, _metadata_files(inputs, restored))
    for layer in restored:
        if layer.kept:
            emit(
                LayerDecided(action="restored", owner=layer.buildpack, layer=layer.name, size=layer.kept.size)
            )
        else:
            info(f'Restoring metadata for "{layer.buildpack}:{layer.name}" from {layer.source}')
    return restored


def _unaltered(env: BuildEnv, planned: list[RestorableLayer], layers_dir: str) -> list[RestorableLayer]:
    """`planned` without the cached layers whose files changed, and without SBOM files that did."""
    roots = [path for layer in planned for path in _stamped(layer, layers_dir)]
    stamps = dict(zip(roots, (listing.stamp for listing in env.scan(roots)), strict=True)) if roots else {}
    restored = []
    for layer in planned:
        path = layer.path(layers_dir)
        if layer.kept and (not layer.kept.stamp or stamps[path] != layer.kept.stamp):
            reason = (
                "its files are not as the last good build left them"
                if layer.kept.stamp
                else "it has no stamp"
            )
            emit(LayerDecided(action="dropped", owner=layer.buildpack, layer=layer.name, reason=reason))
            continue
        sboms = {
            ending: stamp
            for ending, stamp in (layer.sboms or {}).items()
            if ending in _SBOM_ENDINGS and stamp and stamps[f"{path}.{ending}"] == stamp
        }
        restored.append(
            RestorableLayer(
                buildpack=layer.buildpack,
                name=layer.name,
                source=layer.source,
                metadata=layer.metadata,
                kept=layer.kept,
                sboms=sboms,
            )
        )
    return restored


def _stamped(layer: RestorableLayer, layers_dir: str) -> list[str]:
    path = layer.path(layers_dir)
    files = [f"{path}.{ending}" for ending in layer.sboms or {} if ending in _SBOM_ENDINGS]
    return [path, *files] if layer.kept else files


def _kept_names(restored: Iterable[RestorableLayer]) -> dict[str, list[str]]:
    """Names to keep, by buildpack folder."""
    kept: dict[str, list[str]] = {}
    for layer in restored:
        names = [layer.name] if layer.kept else []
        names += [f"{layer.name}.{ending}" for ending in layer.sboms or {}]
        if names:
            kept.setdefault(escape_id(layer.buildpack), []).extend(names)
    return kept


def _clear_away(env: BuildEnv, layers_dir: str, kept: Mapping[str, Iterable[str]]) -> None:
    """Remove everything in the layers directory but the kept names. Never goes through a symlink."""
    steps = [f"cd -P -- {shlex.quote(layers_dir)} || exit 1", _SWEEP]
    steps.append(_sweep_call(".", kept))
    for folder, names in kept.items():
        quoted = shlex.quote(folder)
        steps.append(f"if [ -d {quoted} ] && [ ! -L {quoted} ]; then {_sweep_call(folder, names)}; fi")
    env.script("\n".join(steps))


# A read-only folder of the build user's own stops rm; then its modes are put right first.
_SWEEP = """\
remove() { rm -rf -- "$1" 2>/dev/null || { chmod -R u+rwX -- "$1"; rm -rf -- "$1"; }; }"""


def _sweep_call(folder: str, kept: Iterable[str]) -> str:
    at = shlex.quote(f"./{folder}")
    names = "|".join(shlex.quote(name) for name in kept)
    keep = f'case "${{p##*/}}" in {names}) continue;; esac; ' if names else ""
    return (
        f"for p in {at}/* {at}/.[!.]* {at}/..?*; do "
        f'[ -e "$p" ] || [ -L "$p" ] || continue; {keep}remove "$p" || exit 1; done'
    )


def _write(env: BuildEnv, files: Mapping[str, bytes]) -> None:
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
