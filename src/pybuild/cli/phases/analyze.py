"""The analyzer: which image to build on, what the previous image was made of, analyzed.toml.

Specification: platform.md, "analyzer", "Run Image Resolution".
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.cli.phases.caches import Caches, check_access
from pybuild.cli.phases.run import read_file, write_file
from pybuild.errors import AnalyzeError, InvalidArchive, InvalidInput, InvalidReference, RegistryError
from pybuild.events import info, warn
from pybuild.lifecycle.analyze import Analysis, analyze
from pybuild.oci.reference import Reference
from pybuild.spec.analyzed import Analyzed, RunImage, RunToml, StackToml
from pybuild.spec.labels import LifecycleMetadata
from pybuild.stores.api import StoredImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.cli.phases.run import PhaseRun
    from pybuild.spec.run_image import RunImageName
    from pybuild.stores.api import ImageStore

_BARE_ID = re.compile(r"[0-9a-f]{64}")


def analyzer(run: PhaseRun) -> None:
    """The phase."""
    run = resolved(run)
    if run.inputs.layout:
        run.guard_experimental("export to OCI layout format")
    open_store = run.image_store()
    caches = Caches(run, open_store)
    run.drop_privileges(run.inputs.layers, run.inputs.cache_dir, run.inputs.launch_cache)
    analyze_images(run, with_launch_cache(run, open_store()), caches)


def resolved(run: PhaseRun) -> PhaseRun:
    """`run` with its previous and run image; `InvalidInput` (3) for words that cannot mean what they say."""
    inputs = run.inputs
    check_images(run, [*inputs.images, *inputs.tags], most=1)
    if inputs.parallel and not (inputs.cache_dir or inputs.cache_image):
        warn(
            "Parallel export has been enabled, but it has not taken effect because no cache has been specified."
        )
    if not inputs.previous_image:
        inputs = replace(inputs, previous_image=inputs.images[0])
    if inputs.run_image:
        return replace(run, inputs=inputs)
    near, *others = _run_images(run)
    return replace(run, inputs=replace(inputs, run_image=near), mentioned=(near, *others))


def check_images(run: PhaseRun, names: list[str], *, most: int | None = None) -> None:
    """Check everything that names an image: ANA-01, ANA-02, EXP-01."""
    inputs = run.inputs
    if most is not None and len(inputs.images) != most:
        raise InvalidInput(
            f"failed to parse arguments: received {len(inputs.images)} arguments, but expected {most}",
            hint=f"{run.phase} [FLAGS] IMAGE",
        )
    if not all(names):
        raise InvalidInput("an image argument is empty", hint=f"{run.phase} [FLAGS] IMAGE")
    registries = {Reference.parse(name).registry for name in names}
    if not inputs.daemon and len(registries) > 1:
        raise InvalidInput(
            f"writing to multiple registries is unsupported: {', '.join(sorted(registries))}",
            hint="name tags on the registry of the first image",
        )
    for name in (inputs.previous_image, inputs.run_image, inputs.cache_image):
        if name and not (inputs.daemon and _BARE_ID.fullmatch(name)):
            Reference.parse(name)
    if inputs.launch_cache and not inputs.daemon:
        warn("Ignoring -launch-cache, only intended for use with -daemon")


def with_launch_cache(run: PhaseRun, store: ImageStore) -> ImageStore:
    """`store`, behind the launch cache if there is one (ANA-09)."""
    if not (run.inputs.launch_cache and run.inputs.daemon):
        return store
    from pybuild.stores.launch_cache import LaunchCacheStore
    from pybuild.stores.tar_cache import TarCache

    return LaunchCacheStore(store, TarCache.open(run.inputs.launch_cache))


def analyze_images(run: PhaseRun, store: ImageStore, caches: Caches) -> tuple[Analysis, Analyzed]:
    """Look at both images, and whether the new one may be written; write analyzed.toml and the previous image's SBOMs."""
    inputs = run.inputs
    previous = by_id(inputs.previous_image)
    with run.registry_failing_as(AnalyzeError):
        caches.check(AnalyzeError)
        name = inputs.run_image
        if run.store_kind == "registry":
            check_access(store, [*inputs.images, *inputs.tags], AnalyzeError)
            if run.mentioned:
                name = _accessible(store, run.mentioned)
        if run.store_kind == "layout" and store.find(name) is None:
            place = f"{inputs.layout_dir}/{Reference.parse(name).layout_path}"
            raise AnalyzeError(
                f"the run image {name!r} was not found in {place}",
                hint=f"put it there: skopeo copy docker://{name} oci:{place}",
            )
        analysis = analyze(
            store,
            previous=previous if previous.startswith("sha256:") else Reference.parse(previous),
            run_image=name,
            absent=_absent() if run.phase == "analyzer" and run.store_kind == "daemon" else None,
        )
        metadata = analysis.metadata
        if analysis.previous and metadata and metadata.sbom and run.api.minor >= 8 and not inputs.skip_layers:
            # Seldom needed, and a third of what this phase imports of ours.
            from pybuild.buildenv.local import LocalBuildEnv
            from pybuild.lifecycle.cached_layers import restore_sboms

            info("Restoring data for SBOM from previous image")
            restore_sboms(
                LocalBuildEnv(), store.read_layer(analysis.previous, metadata.sbom), inputs.layers, "launch"
            )
    analyzed = _analyzed(run, analysis)
    write_file(inputs.analyzed, analyzed.write())
    return analysis, analyzed


def _absent() -> StoredImage:
    """What stands for a run image that the engine lacks: it may come before the exporter, which looks again."""
    machine = os.uname().machine
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return StoredImage(id="", config={"os": "linux", "architecture": arch}, diff_ids=(), labels={})


def reference_of(image: StoredImage) -> str:
    """What analyzed.toml and labels call an image: its digest reference, or a daemon's id without `sha256:`."""
    return image.reference or image.id.removeprefix("sha256:")


def by_id(reference: str) -> str:
    """A reference out of analyzed.toml as stores take it."""
    return f"sha256:{reference}" if _BARE_ID.fullmatch(reference) else reference


def read_run_images(run: PhaseRun) -> tuple[RunImageName, ...]:
    """The run images that the builder knows, of run.toml or, before Platform API 0.12, stack.toml (GO-55)."""
    if run.api.minor < 12:
        stack = read_file(run.inputs.stack, StackToml.read, missing=StackToml())
        return (stack.run_image,) if stack.run_image.image else ()
    path = run.inputs.run
    if not Path(path).exists():
        info(f'No run metadata found at path "{path}"')
    return read_file(path, RunToml.read, missing=RunToml()).images


def listed_run_image(images: Sequence[RunImageName], name: str) -> RunImageName | None:
    """The first of `images` that has this name, or a mirror of it: GEN-16."""
    return next((each for each in images if any(_same(it, name) for it in (each.image, *each.mirrors))), None)


def _same(one: str, other: str) -> bool:
    try:
        first, second = Reference.parse(one), Reference.parse(other)
    except InvalidReference:
        return one == other
    return (first.registry, first.repository, first.tag) == (second.registry, second.repository, second.tag)


def _run_images(run: PhaseRun) -> list[str]:
    """Image and mirrors, those on the registry of the app image first (GEN-15)."""
    images = read_run_images(run)
    if not images or not images[0].image:
        raise InvalidInput(
            "-run-image is required when there is no run metadata available",
            hint=f"name the run image with -run-image, or list it in {run.inputs.run}",
        )
    names = (images[0].image, *images[0].mirrors)
    registry = Reference.parse(run.inputs.images[0]).registry
    return sorted(names, key=lambda name: Reference.parse(name).registry != registry)


def _accessible(store: ImageStore, names: Sequence[str]) -> str:
    """The first of these names that can be read; `AnalyzeError` if none can.

    An engine is not asked: there what is missing shows when it is looked for.
    """
    why = []
    for name in names:
        try:
            if store.find(name) is not None:
                return name
        except (RegistryError, InvalidArchive) as exc:
            why.append(f"{name}: {exc}")
        else:
            why.append(f"{name} was not found")
    raise AnalyzeError(
        f"failed to resolve inputs: failed to find accessible run image: {'; '.join(why)}",
        hint="name one that can be read with -run-image",
    )


def _name_of_run_image(run: PhaseRun, analysis: Analysis) -> str:
    """In layouts it is the path, as the Go lifecycle has it (GO-34)."""
    if run.store_kind == "layout":
        return analysis.run_image.reference.rpartition("@")[0]
    return analysis.run_image_name


def _analyzed(run: PhaseRun, analysis: Analysis) -> Analyzed:
    modern = run.api.minor >= 12
    known = analysis.previous if analysis.metadata else None
    return Analyzed(
        image_reference=reference_of(known) if known else "",
        metadata=analysis.metadata or LifecycleMetadata(),
        run_image=RunImage(
            reference=reference_of(analysis.run_image),
            image=_name_of_run_image(run, analysis) if modern else "",
            target=analysis.target if modern else None,
        ),
    )
