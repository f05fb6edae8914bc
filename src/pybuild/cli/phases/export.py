"""The exporter: what the builder left becomes an image; report.toml; cached layers into the cache.

Specification: platform.md, "exporter".
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.cli.phases.analyze import (
    by_id,
    check_images,
    listed_run_image,
    read_run_images,
    with_launch_cache,
)
from pybuild.cli.phases.caches import Caches, warn_without_cache
from pybuild.cli.phases.restore import check_group, images_of
from pybuild.cli.phases.run import EXTENSIONS_STABLE_SINCE, read_analyzed, read_file, write_file
from pybuild.errors import ExportError, InvalidInput, PybuildError
from pybuild.events import info, warn
from pybuild.lifecycle import image_config
from pybuild.lifecycle.analyze import Analysis, image_target
from pybuild.lifecycle.built_files import read_built
from pybuild.lifecycle.cached_layers import index_of_image, keep_layers
from pybuild.lifecycle.export import Exported, ExportInputs, export
from pybuild.lifecycle.extended import read_extended
from pybuild.lifecycle.image_layers import launcher_source
from pybuild.oci.reference import Reference
from pybuild.spec.api import ApiVersion
from pybuild.spec.labels import ProjectMetadata
from pybuild.spec.order import Group
from pybuild.spec.run_image import RunImageName
from pybuild.stores.launch_cache import LaunchCacheStore
from pybuild.stores.tar_cache import TarCache

if TYPE_CHECKING:
    from pybuild.buildenv.api import BuildEnv
    from pybuild.cli.phases.run import PhaseRun
    from pybuild.lifecycle.build import Built
    from pybuild.lifecycle.cache import CacheIndex
    from pybuild.lifecycle.extended import ExtendedRunImage
    from pybuild.spec.analyzed import Analyzed, RunImage
    from pybuild.spec.report import Report
    from pybuild.stores.api import ImageStore, LayerCache, StoredImage

_EPOCH_SINCE = 9  # minor version of the Platform API
_EXTENDS_SINCE = ApiVersion(0, 12)


def exporter(run: PhaseRun) -> None:
    """The phase."""
    inputs = run.inputs
    if not inputs.images:
        raise InvalidInput(
            "failed to parse arguments: at least one image argument is required",
            hint="exporter [FLAGS] IMAGE…",
        )
    if inputs.obsolete_image or inputs.run_image not in ("", run.environ.get("CNB_RUN_IMAGE", "")):
        raise InvalidInput("-run-image and -image are unsupported", hint="analyzed.toml names the run image")
    analyzed = read_analyzed(run)
    if analyzed.run_image is None or not analyzed.run_image.reference:
        raise InvalidInput(
            f"run image not found in analyzed metadata: {inputs.analyzed}", hint="run the analyzer first"
        )
    warn_without_cache(run)
    check_images(run, list(inputs.images))
    if inputs.layout:
        run.guard_experimental("export to OCI layout format")
    run = replace(run, mentioned=images_of(analyzed))
    open_store = run.image_store()
    caches = Caches(run, open_store)
    run.drop_privileges(inputs.cache_dir, inputs.launch_cache)
    group = read_file(inputs.group, Group.read)
    check_group(group)
    cache = caches.open()
    env = LocalBuildEnv()
    store = with_launch_cache(run, open_store())
    with run.registry_failing_as(ExportError):
        analysis = _analysis(store, analyzed)
    extended = _extended(run, analyzed.run_image)
    built = read_built(env, group, inputs.layers)
    export_image(run, env, store, analyzed, analysis, built, cache, extended)


def export_image(
    run: PhaseRun,
    env: BuildEnv,
    store: ImageStore,
    analyzed: Analyzed,
    analysis: Analysis,
    built: Built,
    cache: LayerCache | None,
    extended: ExtendedRunImage | None = None,
) -> Exported:
    """Write the image under all its names, the report and the cache. A cache that fails is a warning (GO-81)."""
    inputs = run.inputs
    names = dict.fromkeys([*inputs.images, *inputs.tags])
    project = read_file(inputs.project_metadata, ProjectMetadata.read, missing=ProjectMetadata())
    with run.registry_failing_as(ExportError):
        exported = export(
            env,
            store,
            ExportInputs(
                built=built,
                analysis=analysis,
                names=[Reference.parse(name) for name in names],
                run_image=_run_image_names(run, analyzed, built),
                layers_dir=inputs.layers,
                app_dir=inputs.app,
                platform_api=run.api,
                launcher=launcher_source(env, inputs.launcher, inputs.launcher_sbom),
                launcher_identity=run.identity,
                created=_created(run),
                default_process=inputs.process_type,
                exec_env=inputs.exec_env,
                project=project,
                extended=extended,
                trusts=lambda _: inputs.trust_builder,
                cache=_known(analysis, store, cache),
                tars=cache if isinstance(cache, TarCache) else None,
            ),
        )
    try:
        write_file(inputs.report, _report(run, exported).write())
    except PybuildError as exc:
        raise ExportError(str(exc), hint=exc.hint) from exc
    if cache is not None:
        try:
            keep_layers(env, cache, built, exported.found, exported.index, run.api)
        except (OSError, PybuildError) as exc:
            warn(f"Failed to export cache: {exc}")
    return exported


def _report(run: PhaseRun, exported: Exported) -> Report:
    """An image in layouts is told by their paths, and by nothing else (GO-34)."""
    if run.store_kind != "layout":
        return exported.report
    folder = os.path.abspath(run.inputs.layout_dir)  # noqa: PTH100
    paths = tuple(f"{folder}/{Reference.parse(tag).layout_path}" for tag in exported.report.tags)
    return replace(exported.report, tags=paths, image_id="", digest="")


def _known(analysis: Analysis, store: ImageStore, cache: LayerCache | None) -> CacheIndex | None:
    """The previous image's layers, with their sizes where a folder has their tars."""
    if analysis.metadata is None:
        return None
    tars = [store.cache] if isinstance(store, LaunchCacheStore) else []
    tars += [cache] if isinstance(cache, TarCache) else []
    return index_of_image(
        analysis.metadata, lambda diff_id: next(filter(None, (each.size(diff_id) for each in tars)), 0)
    )


def _extended(run: PhaseRun, run_image: RunImage) -> ExtendedRunImage | None:
    """What the extender left. Its layers count whatever analyzed.toml says, its configuration only for `extend`."""
    if run.api < _EXTENDS_SINCE:
        return None
    folder = f"{run.inputs.extended}/run"
    found = read_extended(folder, with_config=run_image.extend)
    if found is None and run_image.extend:
        raise ExportError(
            f"the run image is to be extended, and {folder} holds no extended one",
            hint="run the extender with -kind run first",
        )
    if found is not None and run.api < EXTENSIONS_STABLE_SINCE:
        run.guard_experimental("Dockerfiles")
    return found


def _analysis(store: ImageStore, analyzed: Analyzed) -> Analysis:
    """What the analyzer found, looked up once more."""
    assert analyzed.run_image is not None
    reference = analyzed.run_image.reference
    base = store.find(by_id(reference)) or _in_its_layout(store, reference)
    if base is None:
        raise ExportError(
            f"the run image {analyzed.run_image.image or reference} is not there any more",
            hint=f"docker pull {analyzed.run_image.image or reference}",
        )
    previous = store.find(by_id(analyzed.image_reference)) if analyzed.image_reference else None
    if previous:
        info(f"Reusing layers from image '{analyzed.image_reference}'")
    return Analysis(
        run_image=base,
        run_image_name=analyzed.run_image.image,
        target=image_target(base),
        previous=previous,
        metadata=analyzed.metadata if previous else None,
    )


def _in_its_layout(store: ImageStore, reference: str) -> StoredImage | None:
    """The image that is now where `reference` says that another one was; None if that is no layout's path.

    The Go lifecycle looks only at the path. What is written of the run image is what was found (GO-34).
    """
    path, at, digest = reference.rpartition("@")
    found = store.find(path) if at and path.startswith("/") else None
    if found is not None:
        warn(f"the layout {path} holds {found.id} instead of {digest}; it is used as it is now")
    return found


def _run_image_names(run: PhaseRun, analyzed: Analyzed, built: Built) -> RunImageName:
    """What the label says about where the run image may be found again: GEN-16, GO-73, LBL-05."""
    images = read_run_images(run)
    if run.api.minor < 12 or not images:
        return images[0] if images else RunImageName()
    name = analyzed.run_image.image if analyzed.run_image else ""
    # An extension may have switched to an image that the builder does not know.
    unknown = RunImageName(image=name) if built.metadata.extensions else images[0]
    return listed_run_image(images, name) or unknown


def _created(run: PhaseRun) -> str:
    """The image's time of creation: EXP-17."""
    text = run.environ.get("SOURCE_DATE_EPOCH", "") if run.api.minor >= _EPOCH_SINCE else ""
    if not text:
        return image_config.CREATED
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        warn("Ignoring invalid SOURCE_DATE_EPOCH; using the constant time")
        return image_config.CREATED
    return image_config.created_time(int(text))
