"""The builder: bin/build of every buildpack in group.toml; metadata.toml and SBOMs.

Specification: platform.md, "builder".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.cli.phases.detect import given_to_buildpacks, target_of
from pybuild.cli.phases.run import read_analyzed, read_file
from pybuild.errors import BuildError, InvalidFile, InvalidInput
from pybuild.lifecycle import os_release
from pybuild.lifecycle.build import BuildInputs, Built, build
from pybuild.lifecycle.buildpacks import Modules
from pybuild.lifecycle.privileges import refuse_root
from pybuild.spec.order import Group
from pybuild.spec.plan import Plan

if TYPE_CHECKING:
    from pybuild.buildenv.api import BuildEnv
    from pybuild.cli.phases.run import PhaseRun
    from pybuild.spec.analyzed import Analyzed
    from pybuild.spec.target import Target


def builder(run: PhaseRun) -> None:
    """The phase."""
    if run.inputs.images:
        raise InvalidInput(
            f"failed to parse arguments: received unexpected arguments: {' '.join(run.inputs.images)}"
        )
    refuse_root("builder")
    group = read_file(run.inputs.group, Group.read)
    plan = read_file(run.inputs.plan, Plan.read)
    build_group(run, run.here(), group, plan, read_analyzed(run))


def build_group(run: PhaseRun, env: BuildEnv, group: Group, plan: Plan, analyzed: Analyzed) -> Built:
    """Run the buildpacks; metadata.toml is written."""
    try:
        given = given_to_buildpacks(run, env, _with_distro(env, target_of(analyzed)))
    except InvalidFile as exc:
        raise BuildError(str(exc), hint=exc.hint) from exc
    return build(
        env,
        BuildInputs(
            group=group,
            plan=plan,
            modules=Modules.read(env, buildpacks_dir=run.inputs.buildpacks),
            platform_api=run.api,
            given=given,
            environ=run.environ,
            app_dir=run.inputs.app,
            layers_dir=run.inputs.layers,
            tmp_dir=run.tmp_dir,
        ),
    )


def _with_distro(env: BuildEnv, target: Target) -> Target:
    """ANT-04: where the run image does not tell its distribution, it is taken to be the build image's."""
    if target.distro is not None:
        return target
    return replace(target, distro=os_release.distro(env.read_files(os_release.FILES)))
