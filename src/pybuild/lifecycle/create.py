"""The whole lifecycle on one page: what is there, which buildpacks, what they had, what they make, the image.

A build environment on one side, an image store on the other; nothing here knows what kind they are of.
Specification: platform.md, "creator".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pybuild.errors import ChangedLayer, EngineUnavailable, PybuildError
from pybuild.events import phase
from pybuild.lifecycle import image_config
from pybuild.lifecycle.analyze import Analysis, analyze
from pybuild.lifecycle.build import BuildInputs, build
from pybuild.lifecycle.detect import Detected, DetectInputs, detect
from pybuild.lifecycle.env_dirs import read_given
from pybuild.lifecycle.export import Exported, ExportInputs, export
from pybuild.lifecycle.meddling import nobody
from pybuild.lifecycle.restore import RestoreInputs, restore
from pybuild.spec import target as targets
from pybuild.spec.labels import LauncherIdentity, ProjectMetadata
from pybuild.spec.order import OrderFile, System

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.build import Built
    from pybuild.lifecycle.cache import CacheIndex
    from pybuild.lifecycle.extended import ExtendedRunImage
    from pybuild.lifecycle.extensions import Extender
    from pybuild.lifecycle.image_layers import LauncherSource
    from pybuild.lifecycle.resumable import Resumable
    from pybuild.oci.reference import Reference
    from pybuild.spec.api import ApiVersion
    from pybuild.spec.environ import Given
    from pybuild.spec.order import GroupElement
    from pybuild.spec.run_image import RunImageName
    from pybuild.stores.api import ImageStore, LayerCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders in the build environment; platform.md, "Operations" / "Inputs" has their defaults."""

    app: str = "/workspace"
    layers: str = "/layers"
    buildpacks: str = "/cnb/buildpacks"
    extensions: str = "/cnb/extensions"
    platform: str = "/platform"
    build_config: str = "/cnb/build-config"
    generated: str = "/tmp/generated"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateInputs:
    """What is asked for. `names`: of the new image, its own first; `run_image_names`: what the label says about its base.

    `environ`: the build
    environment's own variables. `upload`: digest of what was put into the app directory, "" if unknown.
    `trust`: variables by which tools find the platform's CA certificates. `run_images`: all that the builder knows.
    `cache`: what is known of layers in place; `elsewhere`: a further cache, for those that are not. `labels`: for the image.
    `keep_failed`, `resume`: see `BuildInputs`; `trusts`: see `ExportInputs`.
    """

    names: Sequence[Reference]
    run_image_names: RunImageName
    order: OrderFile
    platform_api: ApiVersion
    environ: Mapping[str, str]
    launcher: LauncherSource
    launcher_identity: LauncherIdentity
    system: System = field(default_factory=System)
    places: Places = field(default_factory=Places)
    exec_env: str = "production"
    default_process: str = ""
    created: str = image_config.CREATED
    project: ProjectMetadata = field(default_factory=ProjectMetadata)
    cache: CacheIndex | None = None
    skip_layers: bool = False
    upload: str = ""
    trust: Mapping[str, str] = field(default_factory=dict)
    run_images: Sequence[RunImageName] = ()
    elsewhere: LayerCache | None = None
    labels: Sequence[tuple[str, str]] = ()
    keep_failed: bool = False
    resume: Callable[[Resumable], None] | None = None
    trusts: Callable[[GroupElement], bool] = nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The new image, and how it came to be."""

    exported: Exported
    detected: Detected
    analysis: Analysis


def analyzed(store: ImageStore, *, previous: Reference | str, run_image: str) -> Analysis:
    """The first phase, which needs no build environment: that may still be starting.

    `previous`: the image whose layers may serve, or its id; `run_image`: the one to build on.
    """
    with phase("ANALYZING"):
        return analyze(store, previous=previous, run_image=run_image)


def create(
    env: BuildEnv,
    store: ImageStore,
    analysis: Analysis,
    inputs: CreateInputs,
    extender: Extender | None = None,
) -> Created:
    """Make the image. Every error is the `PybuildError` of its phase; until the last step nothing has changed.

    `analysis`: from `analyzed`. Without an `extender`, a group with image extensions is a `DetectError`.
    """
    with phase("DETECTING"):
        uploaded = _app_stamp(env, inputs)
        given = platform_given(env, inputs, analysis)
        asked = detect_inputs(inputs, analysis, given)
        detected = detect(env, asked)
    extended = None
    if detected.group.extensions:
        # Not imported where there are none: most builds.
        from pybuild.lifecycle.extensions import Course, with_extensions

        course = with_extensions(
            Course(
                env=env,
                store=store,
                analysis=analysis,
                detected=detected,
                environ=inputs.environ,
                run_image_names=inputs.run_image_names,
            ),
            extender,
            asked,
            run_images=inputs.run_images,
            generated_dir=inputs.places.generated,
        )
        env, store, analysis, detected = course.env, course.store, course.analysis, course.detected
        names, extended = course.run_image_names, course.extended
        inputs = replace(inputs, environ=course.environ, run_image_names=names)
        uploaded = _app_stamp(env, inputs) if course.moved else uploaded
    with phase("RESTORING"):
        wanted = _restore_inputs(inputs, analysis, detected)
        if inputs.elsewhere is None:
            restore(env, wanted)
        else:
            from pybuild.lifecycle.elsewhere import restore_with

            inputs = replace(inputs, cache=restore_with(env, wanted, inputs.elsewhere))
    with phase("BUILDING"):
        built = build(env, _build_inputs(inputs, detected))
    with phase("EXPORTING"):
        try:
            exported = export(env, store, _export_inputs(inputs, analysis, built, uploaded, extended))
        except (ChangedLayer, EngineUnavailable):
            raise
        except PybuildError:
            # A push may be refused after an hour of downloads.
            if inputs.resume is not None:
                from pybuild.lifecycle.resumable import hand_on

                hand_on(inputs.resume, env, inputs.places.layers, built.buildpacks)
            raise
        if inputs.elsewhere is not None:
            from pybuild.lifecycle.elsewhere import keep_with

            exported = keep_with(env, inputs.elsewhere, exported, built, inputs.cache, inputs.platform_api)
    return Created(exported=exported, detected=detected, analysis=analysis)


def platform_given(env: BuildEnv, inputs: CreateInputs, analysis: Analysis) -> Given:
    """What platform and operator give to every buildpack. Operators may since Platform API 0.11."""
    given = read_given(
        env,
        platform_dir=inputs.places.platform,
        build_config_dir=inputs.places.build_config if inputs.platform_api.minor >= 11 else "",
        target=targets.environ(analysis.target),
        exec_env=inputs.exec_env,
    )
    return replace(given, trust=inputs.trust)


def detect_inputs(inputs: CreateInputs, analysis: Analysis, given: Given) -> DetectInputs:
    """The part of it that detection goes by."""
    return DetectInputs(
        order=inputs.order,
        system=inputs.system,
        platform_api=inputs.platform_api,
        target=analysis.target,
        given=given,
        environ=inputs.environ,
        app_dir=inputs.places.app,
        buildpacks_dir=inputs.places.buildpacks,
        extensions_dir=inputs.places.extensions,
    )


def _restore_inputs(inputs: CreateInputs, analysis: Analysis, detected: Detected) -> RestoreInputs:
    return RestoreInputs(
        group=detected.group,
        layers_dir=inputs.places.layers,
        platform_api=inputs.platform_api,
        previous=analysis.metadata,
        cache=inputs.cache,
        skip_layers=inputs.skip_layers,
    )


def _build_inputs(inputs: CreateInputs, detected: Detected) -> BuildInputs:
    return BuildInputs(
        group=detected.group,
        plan=detected.plan,
        modules=detected.modules,
        platform_api=inputs.platform_api,
        given=detected.given,
        environ=inputs.environ,
        app_dir=inputs.places.app,
        layers_dir=inputs.places.layers,
        keep_failed=inputs.keep_failed,
        resume=inputs.resume,
    )


def _export_inputs(
    inputs: CreateInputs, analysis: Analysis, built: Built, uploaded: str, extended: ExtendedRunImage | None
) -> ExportInputs:
    return ExportInputs(
        built=built,
        analysis=analysis,
        names=inputs.names,
        run_image=inputs.run_image_names,
        layers_dir=inputs.places.layers,
        app_dir=inputs.places.app,
        platform_api=inputs.platform_api,
        launcher=inputs.launcher,
        launcher_identity=inputs.launcher_identity,
        created=inputs.created,
        default_process=inputs.default_process,
        exec_env=inputs.exec_env,
        project=inputs.project,
        cache=inputs.cache,
        upload=inputs.upload,
        uploaded=uploaded,
        extended=extended,
        labels=inputs.labels,
        trusts=inputs.trusts,
    )


def _app_stamp(env: BuildEnv, inputs: CreateInputs) -> str:
    """The stamp of the app directory, if it could show that the app is the one of the build before."""
    return env.scan([inputs.places.app])[0].stamp if inputs.upload else ""
