"""Image extensions in a whole build: their Dockerfiles generated, and applied to the build and the run image.

Who applies them is an `Extender`'s matter; afterwards the build goes on in another environment, on another run image.

Specification: platform.md, "detector" on extensions, "extender"; image_extension.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from pybuild.errors import DetectError
from pybuild.events import info, phase
from pybuild.lifecycle import os_release
from pybuild.lifecycle.analyze import image_target
from pybuild.lifecycle.generate import GenerateInputs, generate, same_image
from pybuild.spec import target as targets
from pybuild.spec.analyzed import Analyzed, RunImage
from pybuild.spec.run_image import RunImageName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.analyze import Analysis
    from pybuild.lifecycle.detect import Detected, DetectInputs
    from pybuild.lifecycle.extend import Application
    from pybuild.lifecycle.extended import ExtendedRunImage
    from pybuild.lifecycle.generate import Generated
    from pybuild.stores.api import ImageStore, StoredImage


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedBuild:
    """The environment of the extended build image, with all that was uploaded into the first one.

    `environ`: its own variables.
    """

    env: BuildEnv
    environ: Mapping[str, str]


class Extender(Protocol):
    """Finds run images and applies Dockerfiles. What it makes lasts as long as the build."""

    def run_image(self, name: str) -> tuple[ImageStore, StoredImage]:
        """The run image of that name, which an extension chose, and the store to write images on top of it to."""
        ...

    def extend_run(self, analysis: Analysis, applications: Sequence[Application]) -> ExtendedRunImage:
        """Apply Dockerfiles to the run image of `analysis`. Raises `ExtendError`."""
        ...

    def extend_build(self, applications: Sequence[Application]) -> ExtendedBuild:
        """Apply Dockerfiles to the build image. Raises `ExtendError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a build goes on: where, on which run image, with which plan. `moved`: in another environment than before."""

    env: BuildEnv
    store: ImageStore
    analysis: Analysis
    detected: Detected
    environ: Mapping[str, str]
    run_image_names: RunImageName
    extended: ExtendedRunImage | None = None
    moved: bool = False


def with_extensions(
    course: Course,
    extender: Extender | None,
    asked: DetectInputs,
    *,
    run_images: Sequence[RunImageName],
    generated_dir: str,
) -> Course:
    """The course after the extensions of the group. `asked`: of detection; `run_images`: those the builder knows."""
    if extender is None:
        raise DetectError(
            "detected order contains extensions which is not supported by the creator",
            hint="run the phases one by one, with the extender after the restorer",
        )
    with phase("GENERATING"):
        generated = generate(
            course.env,
            GenerateInputs(
                detect=asked,
                detected=course.detected,
                analyzed=_analyzed(course.analysis),
                run_images=run_images,
                generated_dir=generated_dir,
            ),
        )
        course = replace(course, detected=replace(course.detected, plan=generated.plan))
        course = _switched(course, extender, generated, run_images)
    on_run, on_build = generated.to_apply("run"), generated.to_apply("build")
    if not (on_run or on_build):
        return course
    with phase("EXTENDING"):
        if on_run:
            extended = extender.extend_run(course.analysis, on_run)
            course = replace(course, extended=extended)
        if on_build:
            made = extender.extend_build(on_build)
            course = replace(course, env=made.env, environ=made.environ, moved=True)
    return course


def _analyzed(analysis: Analysis) -> Analyzed:
    return Analyzed(
        run_image=RunImage(
            reference=analysis.run_image.id, image=analysis.run_image_name, target=analysis.target
        )
    )


def _switched(
    course: Course, extender: Extender, generated: Generated, run_images: Sequence[RunImageName]
) -> Course:
    """The course on the run image that extensions chose, if they chose one (GNR-10, RST-12, GO-73)."""
    chosen = generated.analyzed.run_image
    if chosen is None or chosen.image == course.analysis.run_image_name:
        return course
    info(f"An extension chose the run image {chosen.image}")
    store, image = extender.run_image(chosen.image)
    target = image_target(image)
    analysis = replace(course.analysis, run_image=image, run_image_name=chosen.image, target=target)
    if target.distro is None:
        target = replace(target, distro=os_release.distro(course.env.read_files(os_release.FILES)))
    given = replace(course.detected.given, target=targets.environ(target))
    return replace(
        course,
        store=store,
        analysis=analysis,
        detected=replace(course.detected, given=given),
        run_image_names=named(chosen.image, run_images),
    )


def named(name: str, run_images: Sequence[RunImageName]) -> RunImageName:
    """What the label says of a run image that an extension chose: what the builder knows of it, else its name."""
    return next((each for each in run_images if same_image(each, name)), RunImageName(image=name))
