"""The layers of the app image, in their order: buildpacks', SBOM, app, launcher, config, process types.

Specification: platform.md, "exporter" / Outputs; buildpack.md, "Export Process". Order: GO-24.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild.buildenv.api import Entry
from pybuild.errors import ExportError
from pybuild.launcher.compile import compile_launcher
from pybuild.launcher.inputs import LauncherInputs, launch_inputs
from pybuild.lifecycle.content import known_layer, made_layer, new_layer, spooled_layer
from pybuild.lifecycle.exportable import sbom_contents
from pybuild.lifecycle.layers import LAUNCHER, app_layers, dir_layer, launcher_layer, process_types_layer
from pybuild.stores.api import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.build import BuiltLayer
    from pybuild.lifecycle.export import ExportInputs
    from pybuild.lifecycle.exportable import Exportable
    from pybuild.spec.order import GroupElement
    from pybuild.stores.api import ImageStore

_LAUNCHER_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherSource:
    """Which launcher goes into the image. `path` "": ours, made for this app; else the builder's own, there.

    `key`: says what the builder's launcher was taken from (the builder's image ID); "" when it must be read.
    """

    path: str = ""
    key: str = ""


@dataclass(slots=True, kw_only=True)
class ImageLayers:
    """The new layers. `described`: owner, name and reason by `id` of the layer, to tell the user."""

    buildpacks: dict[tuple[str, str], Layer] = field(default_factory=dict)
    sbom: Layer | None = None
    app: list[Layer] = field(default_factory=list)
    launcher: Layer
    config: Layer
    process_types: Layer | None = None
    described: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    @property
    def ordered(self) -> list[Layer]:
        """All of them, bottom first."""
        optional = [self.sbom] if self.sbom else []
        last = [self.process_types] if self.process_types else []
        return [*self.buildpacks.values(), *optional, *self.app, self.launcher, self.config, *last]


def image_layers(env: BuildEnv, store: ImageStore, inputs: ExportInputs, found: Exportable) -> ImageLayers:
    """Plan every layer; nothing large is read before the store asks for it."""
    layers = ImageLayers(
        launcher=_launcher(env, inputs, found),
        config=_config(env, inputs, found),
    )
    layers.described[id(layers.launcher)] = ("buildpacksio/lifecycle", "launcher", "")
    layers.described[id(layers.config)] = ("buildpacksio/lifecycle", "config", "")
    for module in inputs.built.buildpacks:
        for built in module.layers:
            if built.toml.launch:
                layer, reason = _buildpack_layer(env, store, inputs, found, module.module, built)
                layers.buildpacks[module.module.id, built.name] = layer
                layers.described[id(layer)] = (module.module.id, built.name, reason)
    _add_sbom(env, inputs, found, layers)
    _add_app(env, inputs, found, layers)
    types = [process.type for process in inputs.built.metadata.processes]
    if types:
        layers.process_types = made_layer(process_types_layer(types), {}, "Buildpacks Process Types")
        layers.described[id(layers.process_types)] = ("buildpacksio/lifecycle", "process-types", "")
    return layers


def _buildpack_layer(
    env: BuildEnv,
    store: ImageStore,
    inputs: ExportInputs,
    found: Exportable,
    module: GroupElement,
    built: BuiltLayer,
) -> tuple[Layer, str]:
    created_by = f"Layer: '{built.name}', Created by buildpack: {module.id}@{module.version}"
    kept = inputs.cache.layer(module.id, built.name) if inputs.cache else None
    if not built.has_directory:
        return _previous_layer(store, inputs, module, built, created_by), "kept from the image before"
    listing = found.listings[built.path]
    planned = dir_layer(listing.entries, found.above(built.path), uid=env.uid, gid=env.gid)
    known = kept and kept.diff_id and kept.stamp
    if kept and known and (kept.stamp, kept.parents) == (listing.stamp, found.above_text(built.path)):
        return known_layer(env, planned, listing, kept.diff_id, created_by), "no file of it changed"
    # A buildpack that writes the same metadata has probably made the same bytes again.
    same = kept is not None and kept.diff_id != "" and kept.metadata == built.toml.metadata
    maybe = [(kept.diff_id, kept.size)] if kept and same else []
    return new_layer(env, planned, listing, created_by, maybe=maybe), "made anew" if kept else "new"


def _previous_layer(
    store: ImageStore, inputs: ExportInputs, module: GroupElement, built: BuiltLayer, created_by: str
) -> Layer:
    # Buildpack API, "Launch Layers": launch = true with no directory left behind means that the lifecycle MUST
    # reuse the previous build's layer (EXP-05).
    which = f"the layer {module.id}:{built.name} has no contents"
    if built.toml.cache:
        raise ExportError(
            f"{which}, but cache = true", hint="the buildpack must restore or make a cached layer"
        )
    previous, metadata = inputs.analysis.previous, inputs.analysis.metadata
    old = (metadata.layers_of(module.id).layers or {}).get(built.name) if metadata else None
    if previous is None or old is None or old.sha not in previous.diff_ids:
        raise ExportError(f"{which}, and the previous image has no such layer to reuse")
    kept = inputs.cache.layer(module.id, built.name) if inputs.cache else None
    if kept is None or kept.diff_id != old.sha or not kept.size:
        return spooled_layer(store.read_layer(previous, old.sha), created_by)
    diff_id = old.sha
    return Layer(
        diff_id=diff_id,
        size=kept.size,
        open=lambda: store.read_layer(previous, diff_id),
        created_by=created_by,
    )


def _config(env: BuildEnv, inputs: ExportInputs, found: Exportable) -> Layer:
    root = f"{inputs.layers_dir}/config"
    path = f"{root}/metadata.toml"
    text = inputs.built.metadata_toml
    entries = [_entry(env, root, "d"), _entry(env, path, "f", len(text))]
    planned = dir_layer(entries, found.above(root), uid=env.uid, gid=env.gid)
    return made_layer(planned, {path: text}, "Buildpacks Launcher Config")


def _add_sbom(env: BuildEnv, inputs: ExportInputs, found: Exportable, layers: ImageLayers) -> None:
    root = f"{inputs.layers_dir}/sbom/launch"
    listing = found.listings[root]
    if not listing.entries or inputs.platform_api.minor < 8:
        return
    planned = dir_layer(listing.entries, found.above(root), uid=env.uid, gid=env.gid)
    contents = sbom_contents(found, [entry.path for entry in planned if entry.path])
    layers.sbom = made_layer(planned, contents, "Software Bill-of-Materials")
    layers.described[id(layers.sbom)] = ("buildpacksio/lifecycle", "launch.sbom", "")


def _add_app(env: BuildEnv, inputs: ExportInputs, found: Exportable, layers: ImageLayers) -> None:
    listing = found.listings[inputs.app_dir]
    slices = tuple(part.paths for part in inputs.built.metadata.slices)
    planned = app_layers(
        listing.entries, found.above(inputs.app_dir), inputs.app_dir, slices, uid=env.uid, gid=env.gid
    )
    kept = inputs.cache.app if inputs.cache else None
    same = (
        kept is not None
        and inputs.upload != ""
        and (kept.upload, kept.parents, kept.slices)
        == (inputs.upload, found.above_text(inputs.app_dir), slices)
        and len(kept.layers) == len(planned)
    )
    for number, part in enumerate(planned):
        if same and kept:
            layer = known_layer(env, part.entries, listing, kept.layers[number][0], part.created_by)
        else:
            maybe = kept.layers if kept else ()
            layer = new_layer(env, part.entries, listing, part.created_by, maybe=maybe)
        layers.app.append(layer)
        name = f"slice-{number + 1}" if slices else ""
        layers.described[id(layer)] = ("app", name, "the app did not change" if same else "")


def _launcher(env: BuildEnv, inputs: ExportInputs, found: Exportable) -> Layer:
    created_by = "Buildpacks Application Launcher"
    source = inputs.launcher
    if not source.path:
        text = compile_launcher(_launcher_inputs(inputs, found))
        return made_layer(launcher_layer(len(text)), {LAUNCHER: text}, created_by)
    known = inputs.cache.launchers.get(source.key) if inputs.cache and source.key else None
    if known is None:
        content = _builders_launcher(env, source.path)
        return made_layer(launcher_layer(len(content)), {LAUNCHER: content}, created_by)

    def reread() -> Iterator[bytes]:
        content = _builders_launcher(env, source.path)
        return made_layer(launcher_layer(len(content)), {LAUNCHER: content}, created_by).open()

    return Layer(diff_id=known[0], size=known[1], open=reread, created_by=created_by)


def _launcher_inputs(inputs: ExportInputs, found: Exportable) -> LauncherInputs:
    launch = [
        (module.module.id, layer)
        for module in inputs.built.buildpacks
        for layer in module.layers
        if layer.toml.launch
    ]
    return launch_inputs(
        inputs.built.metadata,
        platform_api=inputs.platform_api,
        layers_dir=inputs.layers_dir,
        app_dir=inputs.app_dir,
        entries=[
            entry
            for _, layer in launch
            if layer.has_directory
            for entry in found.listings[layer.path].entries
        ],
        files=found.files,
        layers=[(id_, layer.name) for id_, layer in launch],
    )


def _builders_launcher(env: BuildEnv, path: str) -> bytes:
    content = env.read_files([path], limit=_LAUNCHER_LIMIT).get(path)
    if not isinstance(content, bytes):
        raise ExportError(f"the builder's launcher {path} is no regular file below 64 MiB")
    return content


def _entry(env: BuildEnv, path: str, kind: str, size: int = 0) -> Entry:
    return Entry(
        path=path,
        kind=kind,
        mode=0o755 if kind == "d" else 0o644,
        uid=env.uid,
        gid=env.gid,
        size=size,
        mtime=0,
        ctime=0,
        inode=0,
        links=1,
    )
