"""The layers of the app image, in their order: buildpacks', SBOM, app, launcher, config, process types.

Specification: platform.md, "exporter" / Outputs; buildpack.md, "Export Process". Order: GO-24.
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from pybuild.errors import ExportError
from pybuild.launcher.compile import compile_launcher
from pybuild.launcher.inputs import LauncherInputs, launch_inputs
from pybuild.lifecycle import reasons
from pybuild.lifecycle.content import known_layer, made_layer, new_layer, spooled_layer
from pybuild.lifecycle.exportable import sbom_contents
from pybuild.lifecycle.layers import (
    LAUNCHER,
    PlannedEntry,
    app_layers,
    dir_layer,
    launcher_layer,
    process_types_layer,
)
from pybuild.oci import tar
from pybuild.stores.api import Layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv, Listing
    from pybuild.lifecycle.build import BuiltLayer
    from pybuild.lifecycle.cache import KeptLayer
    from pybuild.lifecycle.export import ExportInputs
    from pybuild.lifecycle.exportable import Exportable
    from pybuild.lifecycle.layers import AppLayer
    from pybuild.spec.order import GroupElement
    from pybuild.stores.api import ImageStore
    from pybuild.stores.tar_cache import TarCache

_LAUNCHER_LIMIT = 64 << 20
_LAUNCHER_WORDS = "Buildpacks Application Launcher"

_PLACEHOLDER_HEAD = b"#!/bin/sh\n# pybuild-launcher: "
PLACEHOLDER = (
    _PLACEHOLDER_HEAD
    + b"""the exporter makes a launcher for each app and puts it in this file's place.
# Elsewhere the lifecycle beside it makes one, which takes Python.
if [ -x /cnb/lifecycle/lifecycle ]; then exec /cnb/lifecycle/lifecycle launcher "$0" "$@"; fi
echo "ERROR: this is no launcher: an exporter of pybuild puts one into the app image" >&2
exit 82
"""
)
"""The file `launcher` of our lifecycle: platforms demand that there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherSource:
    """Which launcher goes into the image. `path` "": ours, made for this app; else the builder's own, there.

    `key`: says what the builder's launcher was taken from (the builder's image ID); "" when it must be read.
    `sboms`: folder of the lifecycle's own SBOM files; "" when they are beside it, or without it there are none.
    """

    path: str = ""
    key: str = ""
    sboms: str = ""


def launcher_source(env: BuildEnv, path: str, sboms: str) -> LauncherSource:
    """The launcher at `path`; ours, where there is none or the one there only holds its place."""
    found = env.read_files([glob.escape(path)], limit=_LAUNCHER_LIMIT).get(path)
    holds_place = isinstance(found, bytes) and found.startswith(_PLACEHOLDER_HEAD)
    return LauncherSource(path="" if found is None or holds_place else path, sboms=sboms)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLayer:
    """One layer of the new image. `owner`: a buildpack's id, "app", or ours; `reason`: why it is what it is.

    `missed`: it is a cached layer, and what the last build left of it could not serve.
    """

    owner: str
    name: str
    layer: Layer
    reason: str = ""
    missed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLayers:
    """The new layers. `buildpacks`: by buildpack id and layer name, in the image's order. `app`: one per slice."""

    buildpacks: Mapping[tuple[str, str], ImageLayer]
    sbom: ImageLayer | None
    app: tuple[ImageLayer, ...]
    launcher: ImageLayer
    config: ImageLayer
    process_types: ImageLayer | None

    @property
    def ordered(self) -> list[ImageLayer]:
        """All of them, bottom first."""
        sbom = [self.sbom] if self.sbom else []
        last = [self.process_types] if self.process_types else []
        return [*self.buildpacks.values(), *sbom, *self.app, self.launcher, self.config, *last]

    def known_as(self, diff_ids: Sequence[str]) -> Mapping[ImageLayer, str]:
        """Each layer's diff ID. `diff_ids`: those of `ordered`."""
        return dict(zip(self.ordered, diff_ids, strict=True))


def image_layers(env: BuildEnv, store: ImageStore, inputs: ExportInputs, found: Exportable) -> ImageLayers:
    """Plan every layer; nothing large is read before the store asks for it."""
    plan = _Plan(env=env, store=store, inputs=inputs, found=found)
    return ImageLayers(
        buildpacks={
            (module.module.id, built.name): plan.buildpack_layer(module.module, built)
            for module in inputs.built.buildpacks
            for built in module.layers
            if built.toml.launch
        },
        sbom=plan.sbom(),
        app=plan.app(),
        launcher=plan.launcher(),
        config=plan.config(),
        process_types=plan.process_types(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """All that decides what the layers are."""

    env: BuildEnv
    store: ImageStore
    inputs: ExportInputs
    found: Exportable

    def buildpack_layer(self, module: GroupElement, built: BuiltLayer) -> ImageLayer:
        created_by = f"Layer: '{built.name}', Created by buildpack: {module.id}@{module.version}"
        if built.has_directory:
            layer, reason = self._folder(module, built, created_by)
            if built.toml.cache and (tars := self.inputs.tars):
                layer = _copied(layer, tars)
        else:
            layer, reason = self._previous(module, built, created_by), reasons.KEPT_IN_IMAGE
        return ImageLayer(
            owner=module.id, name=built.name, layer=layer, reason=reason, missed=self._missed(module, built)
        )

    def _missed(self, module: GroupElement, built: BuiltLayer) -> bool:
        kept = self._kept(module, built)
        return built.toml.cache and reasons.is_missed(kept, built.toml.metadata)

    def _folder(self, module: GroupElement, built: BuiltLayer, created_by: str) -> tuple[Layer, str]:
        found, kept = self.found, self._kept(module, built)
        listing = found.listings[built.path]
        plan = partial(dir_layer, listing.entries, found.above(built.path), uid=found.uid, gid=found.gid)
        why = (
            reasons.why_made(kept, self.inputs.cache, built.toml.metadata, cached=built.toml.cache)
            if listing.stamp
            else reasons.UNSTAMPED
        )
        if kept is None or not kept.diff_id:
            return new_layer(self.env, plan(), listing, created_by), why
        now = (listing.stamp, found.tar_terms(built.path))
        if listing.stamp and now == (kept.stamp, kept.tar_terms):
            layer = known_layer(
                self.env, plan, listing, diff_id=kept.diff_id, size=kept.size, created_by=created_by
            )
            return layer, reasons.UNCHANGED
        # A buildpack that writes the same metadata has probably made the same bytes again.
        same = kept.metadata == built.toml.metadata
        maybe = [(kept.diff_id, kept.size)] if same else []
        tars = self.inputs.tars if built.toml.cache else None
        keep = tars.copying if tars and not tars.size(kept.diff_id) else None
        return new_layer(self.env, plan(), listing, created_by, maybe=maybe, keep=keep), why

    def _previous(self, module: GroupElement, built: BuiltLayer, created_by: str) -> Layer:
        # Buildpack API, "Launch Layers": launch = true with no directory left behind means that the lifecycle MUST
        # reuse the previous build's layer (EXP-05).
        which = f"the layer {module.id}:{built.name} has no contents"
        if built.toml.cache:
            raise ExportError(
                f"{which}, but cache = true", hint="the buildpack must restore or make a cached layer"
            )
        previous, metadata = self.inputs.analysis.previous, self.inputs.analysis.metadata
        old = (metadata.layers_of(module.id).layers or {}).get(built.name) if metadata else None
        if previous is None or old is None or old.sha not in previous.diff_ids:
            raise ExportError(
                f"{which}, and the previous image has no such layer to reuse",
                hint="the buildpack must make the layer when it does not find its metadata",
            )
        kept = self._kept(module, built)
        read = partial(self.store.read_layer, previous, old.sha)
        size = kept.size if kept and kept.diff_id == old.sha else 0
        if not size and not previous.reference:
            # An engine needs to know how long it is, and that can be learnt only by reading it.
            return spooled_layer(read(), created_by)
        return Layer(diff_id=old.sha, size=size, open=read, created_by=created_by)

    def _kept(self, module: GroupElement, built: BuiltLayer) -> KeptLayer | None:
        return self.inputs.cache.layer(module.id, built.name) if self.inputs.cache else None

    def sbom(self) -> ImageLayer | None:
        root = f"{self.inputs.layers_dir}/sbom/launch"
        found = self.found
        listing = found.listings[root]
        if not listing.entries or self.inputs.platform_api.minor < 8:
            return None
        planned = dir_layer(listing.entries, found.above(root), uid=found.uid, gid=found.gid)
        contents = sbom_contents(found, [entry.path for entry in planned if entry.path])
        return _ours("launch.sbom", made_layer(planned, contents, "Software Bill-of-Materials"))

    def app(self) -> tuple[ImageLayer, ...]:
        inputs, found = self.inputs, self.found
        listing = found.listings[inputs.app_dir]
        slices = tuple(part.paths for part in inputs.built.metadata.slices)
        planned = app_layers(
            listing.entries, found.above(inputs.app_dir), inputs.app_dir, slices, uid=found.uid, gid=found.gid
        )
        kept = inputs.cache.app if inputs.cache else None
        now = (inputs.upload, found.tar_terms(inputs.app_dir), slices)
        same = kept is not None and inputs.upload != "" and (kept.upload, kept.tar_terms, kept.slices) == now
        known = kept.layers if kept else ()
        layers = [
            self._known_app(part, listing, known[number])
            if same
            else new_layer(self.env, part.entries, listing, part.created_by, maybe=known)
            for number, part in enumerate(planned)
        ]
        reason = reasons.APP_UNCHANGED if same else reasons.why_app(kept, inputs.upload)
        return tuple(
            ImageLayer(owner="app", name=f"slice-{number}" if slices else "", layer=layer, reason=reason)
            for number, layer in enumerate(layers, start=1)
        )

    def _known_app(self, part: AppLayer, listing: Listing, known: tuple[str, int]) -> Layer:
        diff_id, size = known
        return known_layer(
            self.env, lambda: part.entries, listing, diff_id=diff_id, size=size, created_by=part.created_by
        )

    def launcher(self) -> ImageLayer:
        source, cache = self.inputs.launcher, self.inputs.cache
        if not source.path:
            return _ours("launcher", _launcher(compile_launcher(self._launcher_inputs())))
        known = cache.launchers.get(source.key) if cache and source.key else None
        if known is None:
            return _ours("launcher", _launcher(self._builders_launcher()))
        layer = Layer(diff_id=known.diff_id, size=known.size, open=self._reread, created_by=_LAUNCHER_WORDS)
        return _ours("launcher", layer)

    def _reread(self) -> Iterable[bytes]:
        return _launcher(self._builders_launcher()).open()

    def _builders_launcher(self) -> bytes:
        path = self.inputs.launcher.path
        content = self.env.read_files([path], limit=_LAUNCHER_LIMIT).get(path)
        if not isinstance(content, bytes):
            raise ExportError(f"the builder's launcher {path} is no regular file below 64 MiB")
        return content

    def _launcher_inputs(self) -> LauncherInputs:
        launch = [
            (module.module.id, layer)
            for module in self.inputs.built.buildpacks
            for layer in module.layers
            if layer.toml.launch
        ]
        listed = (self.found.listings[layer.path].entries for _, layer in launch if layer.has_directory)
        return launch_inputs(
            self.inputs.built.metadata,
            platform_api=self.inputs.platform_api,
            layers_dir=self.inputs.layers_dir,
            app_dir=self.inputs.app_dir,
            entries=chain.from_iterable(listed),
            files=self.found.files,
            layers=[(id_, layer.name) for id_, layer in launch],
        )

    def config(self) -> ImageLayer:
        root = f"{self.inputs.layers_dir}/config"
        path = f"{root}/metadata.toml"
        text = self.inputs.built.metadata_toml
        uid, gid = self.found.uid, self.found.gid
        folder = PlannedEntry(tar.TarEntry(os.fsencode(root), tar.DIRECTORY, 0o755, uid, gid))
        file = PlannedEntry(tar.TarEntry(os.fsencode(path), tar.FILE, 0o644, uid, gid, len(text)), path)
        planned = [*dir_layer([], self.found.above(root), uid=uid, gid=gid), folder, file]
        return _ours("config", made_layer(planned, {path: text}, "Buildpacks Launcher Config"))

    def process_types(self) -> ImageLayer | None:
        types = [process.type for process in self.inputs.built.metadata.processes]
        if not types:
            return None
        return _ours("process-types", made_layer(process_types_layer(types), {}, "Buildpacks Process Types"))


def _copied(layer: Layer, tars: TarCache) -> Layer:
    def opened() -> Iterable[bytes]:
        there = layer.diff_id is not None and tars.has_staged(layer.diff_id)
        return layer.open() if there else tars.copying(layer.open())

    return replace(layer, open=opened)


def _ours(name: str, layer: Layer) -> ImageLayer:
    return ImageLayer(owner="buildpacksio/lifecycle", name=name, layer=layer)


def _launcher(content: bytes) -> Layer:
    return made_layer(launcher_layer(len(content)), {LAUNCHER: content}, _LAUNCHER_WORDS)
