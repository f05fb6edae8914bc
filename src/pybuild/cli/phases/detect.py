"""The detector: order.toml and the app to group.toml and plan.toml; extensions' Dockerfiles.

Specification: platform.md, "detector".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.cli.phases.analyze import read_run_images
from pybuild.cli.phases.run import EXTENSIONS_STABLE_SINCE, read_analyzed, read_file, write_file
from pybuild.errors import BuilderUnusable, InvalidFile, InvalidInput, PybuildError
from pybuild.lifecycle.detect import Detected, DetectInputs, detect
from pybuild.lifecycle.env_dirs import read_given
from pybuild.lifecycle.generate import GenerateInputs, generate
from pybuild.lifecycle.privileges import refuse_root
from pybuild.spec import target as targets
from pybuild.spec.order import OrderFile, System
from pybuild.spec.target import Target

if TYPE_CHECKING:
    from pybuild.buildenv.api import BuildEnv
    from pybuild.cli.phases.run import PhaseRun
    from pybuild.spec.analyzed import Analyzed
    from pybuild.spec.environ import Given


def detector(run: PhaseRun) -> None:
    """The phase."""
    if run.inputs.images:
        raise InvalidInput(
            f"failed to parse arguments: received unexpected arguments: {' '.join(run.inputs.images)}"
        )
    refuse_root("detector")
    detected, asked, analyzed = detect_group(run, run.here(), read_analyzed(run))
    if detected.group.extensions:
        _generate(run, asked, detected, analyzed)


def detect_group(run: PhaseRun, env: BuildEnv, analyzed: Analyzed) -> tuple[Detected, DetectInputs, Analyzed]:
    """Choose the group; write group.toml and plan.toml. Gives also what was asked, for generation."""
    inputs = run.inputs
    try:
        order = read_file(inputs.order, OrderFile.read)
    except PybuildError as exc:
        raise PybuildError(f"failed to initialize detector: reading order: {exc}", hint=exc.hint) from exc
    if order.order_extensions and run.api < EXTENSIONS_STABLE_SINCE and run.phase == "detector":
        run.guard_experimental("Dockerfiles")
    target = target_of(analyzed)
    try:
        asked = DetectInputs(
            order=order,
            system=read_file(inputs.system, System.read, missing=System()),
            platform_api=run.api,
            target=target,
            given=given_to_buildpacks(run, env, target),
            environ=run.environ,
            app_dir=inputs.app,
            buildpacks_dir=inputs.buildpacks,
            extensions_dir=inputs.extensions,
            tmp_dir=run.tmp_dir,
        )
        detected = detect(env, asked)
    except (InvalidFile, BuilderUnusable) as exc:
        # platform.md leaves 1 for what is wrong before a phase's own work begins.
        raise PybuildError(str(exc), hint=exc.hint) from exc
    write_file(inputs.group, detected.group.write())
    write_file(inputs.plan, detected.plan.write())
    return detected, asked, analyzed


def target_of(analyzed: Analyzed) -> Target:
    """What the run image is, as far as it is known."""
    known = analyzed.run_image.target if analyzed.run_image else None
    return known or Target(os="linux", arch="amd64")


def given_to_buildpacks(run: PhaseRun, env: BuildEnv, target: Target) -> Given:
    """What platform and operator give to every buildpack.

    Operators may since Platform API 0.11; the Go lifecycle does not ask which one it is, and no older builder has the
    folder.
    """
    return read_given(
        env,
        platform_dir=run.inputs.platform,
        build_config_dir=run.inputs.build_config,
        target=targets.environ(target),
        exec_env=run.inputs.exec_env,
    )


def _generate(run: PhaseRun, asked: DetectInputs, detected: Detected, analyzed: Analyzed) -> None:
    generated = generate(
        run.here(),
        GenerateInputs(
            detect=asked,
            detected=detected,
            analyzed=analyzed,
            run_images=read_run_images(run),
            generated_dir=run.inputs.generated,
        ),
    )
    write_file(run.inputs.analyzed, generated.analyzed.write())
    write_file(run.inputs.plan, generated.plan.write())
