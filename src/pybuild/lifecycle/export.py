"""Export: the layers of this build on top of the run image become the app image, under all its names at once.

A layer whose stamp is the recorded one keeps its diff ID: it is not read, packed, hashed or sent. Any other is
read out of the build environment once, while it streams to the store. The previous image stays until the new
one is whole.

Specification: platform.md, "exporter"; buildpack.md, "Export Process". Layer order: GO-24.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pybuild import gojson
from pybuild.errors import ExportError
from pybuild.events import ImageWritten, emit, info, warn
from pybuild.lifecycle import image_config
from pybuild.lifecycle.cache import CacheIndex, KeptApp, KeptLauncher, KeptLayer
from pybuild.lifecycle.decisions import tell_cached, tell_layers
from pybuild.lifecycle.exportable import add_lifecycle_sboms, collect
from pybuild.lifecycle.extended import ExtendedRunImage
from pybuild.lifecycle.image_layers import ImageLayer, ImageLayers, LauncherSource, image_layers
from pybuild.lifecycle.meddling import nobody, without_meddling
from pybuild.lifecycle.outputs import NOT_LAYERS
from pybuild.spec.labels import (
    BUILD_METADATA,
    LIFECYCLE_METADATA,
    PROJECT_METADATA,
    BuildpackLayers,
    LauncherIdentity,
    LayerMetadata,
    LifecycleMetadata,
    ProjectMetadata,
    RunImageOf,
    build_metadata,
)
from pybuild.spec.report import Report
from pybuild.spec.run_image import RunImageName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.analyze import Analysis
    from pybuild.lifecycle.build import Built, BuiltLayer
    from pybuild.lifecycle.exportable import Exportable
    from pybuild.oci.reference import Reference
    from pybuild.spec.api import ApiVersion
    from pybuild.spec.launch import Process
    from pybuild.spec.order import GroupElement
    from pybuild.stores.api import ImageStore, Written
    from pybuild.stores.tar_cache import TarCache

EXEC_ENV_LABEL = "io.buildpacks.exec-env"

# What later builds, rebases and users believe of an image is not a buildpack's to say (S-35, G7).
RESERVED_LABELS = frozenset(
    {
        LIFECYCLE_METADATA,
        BUILD_METADATA,
        PROJECT_METADATA,
        EXEC_ENV_LABEL,
        "io.buildpacks.rebasable",
        "io.buildpacks.stack.id",
        "io.buildpacks.stack.mixins",
    }
)
RESERVED_PREFIX = "io.buildpacks.base."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportInputs:
    """What export needs beside the build environment and the store.

    `names`: all names of the new image, the first one is its own. `run_image`: name and mirrors for the label.
    `cache`: what is known of the layers in place. `upload`: digest of what the platform put into the app
    directory, "" if unknown; `uploaded`: the stamp that the directory had then. `created`: RFC 3339.
    `extended`: what image extensions made of the run image. `tars`: a cache that gets the contents of
    cached layers while they are read for the image. `labels`: those that the user wants, which win over buildpacks'.
    `trusts`: which buildpacks may change an earlier one's layers.
    """

    built: Built
    analysis: Analysis
    names: Sequence[Reference]
    run_image: RunImageName
    layers_dir: str
    app_dir: str
    platform_api: ApiVersion
    launcher: LauncherSource
    launcher_identity: LauncherIdentity
    created: str = image_config.CREATED
    default_process: str = ""
    exec_env: str = "production"
    project: ProjectMetadata = field(default_factory=ProjectMetadata)
    cache: CacheIndex | None = None
    upload: str = ""
    uploaded: str = ""
    extended: ExtendedRunImage | None = None
    tars: TarCache | None = None
    labels: Sequence[tuple[str, str]] = ()
    trusts: Callable[[GroupElement], bool] = nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The image that now exists, what to remember for the next build, and report.toml's value.

    `found`: what was there to export.
    """

    written: Written
    found: Exportable
    names: tuple[str, ...]
    index: CacheIndex
    report: Report
    processes: tuple[Process, ...]
    default_process: str
    reused: int
    added: int


def export(env: BuildEnv, store: ImageStore, inputs: ExportInputs) -> Exported:
    """Write the app image. Raises `ExportError` with the previous image and cache as they were."""
    entrypoint, default = _entrypoint(inputs)
    _check_metadata(inputs.built)
    folder = inputs.launcher.sboms or posixpath.dirname(inputs.launcher.path)
    if folder and inputs.platform_api.minor >= 11:
        add_lifecycle_sboms(env, inputs.layers_dir, folder)
    found = collect(env, inputs.built, layers_dir=inputs.layers_dir, app_dir=inputs.app_dir)
    found = without_meddling(env, inputs.built, found, inputs.cache, inputs.trusts)
    if not inputs.uploaded or found.listings[inputs.app_dir].stamp != inputs.uploaded:
        # A buildpack changed the app: it is not what was uploaded any more.
        inputs = replace(inputs, upload="")
    new = image_layers(env, store, inputs, found)
    run_image = inputs.analysis.run_image
    extended = inputs.extended or ExtendedRunImage(layers=())
    changes = _changes(inputs, extended, new, entrypoint)
    below = len(run_image.diff_ids) + len(extended.layers)

    def make_config(diff_ids: Sequence[str]) -> bytes:
        labels = _labels(inputs, new, new.known_as(diff_ids[below:]))
        return image_config.app_config(extended.onto(run_image), diff_ids, changes.with_labels(labels))

    _announce(inputs)
    layers = [each.layer for each in new.ordered]
    if extended.held is None:
        layers = [*extended.layers, *layers]
    base = extended.held or run_image
    written = store.write(base, layers, make_config, inputs.names, inputs.analysis.previous)
    sha = new.known_as(written.diff_ids[below:])
    previous = set(inputs.analysis.previous.diff_ids) if inputs.analysis.previous else set()
    tell_layers(new, sha, previous)
    index = _index(inputs, found, new, sha)
    tell_cached(inputs, index)
    names = tuple(name.familiar for name in inputs.names)
    emit(ImageWritten(names=names, image_id=written.image_id, changed=written.changed, size=written.size))
    return Exported(
        written=written,
        found=found,
        names=names,
        index=index,
        report=_report(inputs, written),
        processes=inputs.built.metadata.processes,
        default_process=default,
        reused=sum(diff_id in previous for diff_id in sha.values()),
        added=sum(diff_id not in previous for diff_id in sha.values()),
    )


def _report(inputs: ExportInputs, written: Written) -> Report:
    """A registry's image is told by its digest, an engine's by its id (platform.md, "report.toml")."""
    return Report(
        tags=tuple(str(name) for name in inputs.names),
        image_id="" if written.digest else written.image_id.removeprefix("sha256:"),
        digest=written.digest,
        manifest_size=written.manifest_size,
    )


def _entrypoint(inputs: ExportInputs) -> tuple[str, str]:
    """The entrypoint's path and the default process type ("" for none). Covers EXP-13."""
    types = [process.type for process in inputs.built.metadata.processes]
    if inputs.default_process and inputs.default_process not in types:
        known = ", ".join(types) or "none"
        raise ExportError(
            f"the default process {inputs.default_process!r} does not exist: the buildpacks made {known}",
            hint="name one of them with --default-process",
        )
    default = inputs.default_process or inputs.built.metadata.default_process_type
    if default:
        info(f"Setting default process type '{default}'")
        return f"{image_config.PROCESS_DIR}/{default}", default
    info("no default process type")
    return image_config.LAUNCHER_PATH, ""


def _changes(
    inputs: ExportInputs, extended: ExtendedRunImage, new: ImageLayers, entrypoint: str
) -> image_config.ConfigChanges:
    added = [*extended.layers, *(each.layer for each in new.ordered)]
    return image_config.ConfigChanges(
        created=inputs.created,
        created_by=[layer.created_by for layer in added],
        layers_dir=inputs.layers_dir,
        app_dir=inputs.app_dir,
        platform_api=inputs.platform_api,
        entrypoint=entrypoint,
    )


def _check_metadata(built: Built) -> None:
    """Raise `ExportError` for metadata that a label cannot hold, before anything is read or sent."""
    for module in built.buildpacks:
        found = {f"{layer.path}.toml": layer.toml.metadata for layer in module.layers}
        found[f"store.toml of {module.module}"] = module.store.metadata if module.store else None
        for file, metadata in found.items():
            try:
                gojson.dumps(metadata)
            except ValueError as exc:
                raise ExportError(f"{file}: its metadata cannot be kept in the image: {exc}") from exc


def _announce(inputs: ExportInputs) -> None:
    labels = [label.key for label in inputs.built.metadata.labels]
    labels += [name for name, _ in inputs.labels]
    for name in filter(_is_reserved, labels):
        warn(f"the label {name} of a buildpack is left out: what it says is not for buildpacks to say")
    ours = (LIFECYCLE_METADATA, BUILD_METADATA, PROJECT_METADATA)
    for name in (*ours, *(name for name in labels if not _is_reserved(name))):
        info(f"Adding label '{name}'")
    info(f"Saving {inputs.names[0].familiar}...")


def _labels(inputs: ExportInputs, new: ImageLayers, sha: Mapping[ImageLayer, str]) -> list[tuple[str, str]]:
    """All labels in the order in which they are set: a later one wins. Covers EXP-16, LBL-*, GO-41."""
    metadata = inputs.built.metadata
    labels = [
        (LIFECYCLE_METADATA, _lifecycle_metadata(inputs, new, sha).write()),
        (BUILD_METADATA, build_metadata(metadata, inputs.platform_api, inputs.launcher_identity)),
        (PROJECT_METADATA, inputs.project.write()),
        *((label.key, label.value) for label in metadata.labels if not _is_reserved(label.key)),
        *inputs.labels,
    ]
    if inputs.platform_api.minor >= 15 and inputs.exec_env:
        labels.append((EXEC_ENV_LABEL, inputs.exec_env))
    return labels


def _is_reserved(label: str) -> bool:
    return label in RESERVED_LABELS or label.startswith(RESERVED_PREFIX)


def _lifecycle_metadata(
    inputs: ExportInputs, new: ImageLayers, sha: Mapping[ImageLayer, str]
) -> LifecycleMetadata:
    base = inputs.analysis.run_image
    modern = inputs.platform_api.minor >= 12
    return LifecycleMetadata(
        app=tuple(sha[layer] for layer in new.app),
        sbom=sha[new.sbom] if new.sbom else None,
        buildpacks=tuple(
            BuildpackLayers(
                id=built.module.id,
                version=built.module.version,
                layers={
                    layer.name: LayerMetadata(
                        sha=sha[new.buildpacks[built.module.id, layer.name]],
                        data=layer.toml.metadata,
                        build=layer.toml.build,
                        launch=True,
                        cache=layer.toml.cache,
                    )
                    for layer in built.layers
                    if layer.toml.launch
                },
                store=built.store,
            )
            for built in inputs.built.buildpacks
        ),
        config=sha[new.config],
        launcher=sha[new.launcher],
        process_types=sha[new.process_types] if new.process_types else "",
        run_image=RunImageOf(
            top_layer=base.diff_ids[-1] if base.diff_ids else "",
            reference=base.reference or base.id.removeprefix("sha256:"),
            name=inputs.run_image if modern else RunImageName(),
        ),
        stack=inputs.run_image,
    )


def _index(
    inputs: ExportInputs, found: Exportable, new: ImageLayers, sha: Mapping[ImageLayer, str]
) -> CacheIndex:
    """What the next build may believe about the layers as they lie there now."""
    launcher = KeptLauncher(
        diff_id=sha[new.launcher], size=new.launcher.layer.size, identity=inputs.launcher_identity
    )
    return CacheIndex(
        owner=str(inputs.names[0]),
        layers={
            built.module.id: {
                layer.name: _kept(layer, found, new.buildpacks.get((built.module.id, layer.name)), sha)
                for layer in built.layers
                if (layer.toml.launch or layer.toml.cache) and layer.name not in NOT_LAYERS
            }
            for built in inputs.built.buildpacks
        },
        app=KeptApp(
            upload=inputs.upload,
            tar_terms=found.tar_terms(inputs.app_dir),
            slices=tuple(part.paths for part in inputs.built.metadata.slices),
            layers=tuple((sha[each], each.layer.size) for each in new.app),
        ),
        launchers={inputs.launcher.key: launcher} if inputs.launcher.key else {},
    )


def _kept(
    built: BuiltLayer, found: Exportable, image_layer: ImageLayer | None, sha: Mapping[ImageLayer, str]
) -> KeptLayer:
    in_place = built.toml.cache and built.has_directory
    return KeptLayer(
        diff_id=sha[image_layer] if image_layer else "",
        size=image_layer.layer.size if image_layer else 0,
        stamp=found.listings[built.path].stamp if in_place else "",
        launch=built.toml.launch,
        build=built.toml.build,
        cache=in_place,
        metadata=built.toml.metadata,
        sboms=found.sbom_stamps(built.path),
        tar_terms=found.tar_terms(built.path),
    )
