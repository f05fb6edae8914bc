"""Detection: which group of buildpacks fits the app, and the plan that they agree on.

Specification: buildpack.md, "Phase #1: Detection"; platform.md, "detector".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pybuild import events
from pybuild.errors import PybuildError
from pybuild.lifecycle import os_release
from pybuild.lifecycle.buildpacks import Module, Modules
from pybuild.lifecycle.detect_programs import Programs, Setting
from pybuild.lifecycle.detect_trail import Account, GroupTrail
from pybuild.lifecycle.order import Member, check_order, expand, with_system
from pybuild.spec import environ
from pybuild.spec import target as targets
from pybuild.spec.api import ApiVersion
from pybuild.spec.order import Group, GroupElement, OrderFile, System

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv
    from pybuild.spec.plan import Plan
    from pybuild.spec.target import Target

_TARGETS_SINCE = ApiVersion(0, 12)
_SYSTEM_SINCE = _EXEC_ENV_SINCE = ApiVersion(0, 15)
_MODULE_EXEC_ENV_SINCE = ApiVersion(0, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectInputs:
    """All that detection depends on. Directories are absolute paths in the build environment.

    `target`: what the run image is; its distribution is read from the build environment where it is None.
    `environ`: that of the container (or of the phase); buildpacks see the part of it that is for them.
    `given`: from `env_dirs.read_given`. `extensions_dir` "": there are none. `tmp_dir`: for build plans.
    """

    order: OrderFile
    system: System = field(default_factory=System)
    platform_api: ApiVersion
    target: Target
    given: environ.Given
    environ: Mapping[str, str]
    app_dir: str
    buildpacks_dir: str
    extensions_dir: str = ""
    tmp_dir: str = "/tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """The group and its plan. `trail`: the groups tried (the first thousand of them), the chosen one last.

    `modules`: the buildpacks and extensions, read once. `given`: with the distribution among its target variables.
    `needs`: who (`id@version`) requires what of the plan.
    """

    group: Group
    plan: Plan
    trail: tuple[GroupTrail, ...]
    modules: Modules
    given: environ.Given
    needs: tuple[tuple[str, str], ...] = ()


def detect(env: BuildEnv, inputs: DetectInputs) -> Detected:
    """Try the groups that the order stands for, until one passes.

    `NothingDetected` or `DetectionFailed` with the trail if none does. `BuilderUnusable`, `InvalidFile` or
    `BuildpackApiUnsupported` when the order itself names what cannot be used; `DetectError` for what composites name.
    """
    order = effective_order(inputs.order, inputs.system, inputs.platform_api)
    knows_distro = inputs.target.distro is not None
    modules = Modules.read(
        env,
        buildpacks_dir=inputs.buildpacks_dir,
        extensions_dir=inputs.extensions_dir,
        extras=() if knows_distro else os_release.FILES,
        # Only then does it matter: a module with programs and no targets is for Linux.
        look_for_build=inputs.target.os not in ("", "linux"),
    )
    check_order(order, modules)
    target = inputs.target if knows_distro else _with_distro(inputs.target, modules)
    given = replace(inputs.given, target=targets.environ(target))
    programs = Programs(env, _setting(inputs, target, given))
    account = Account()
    try:
        here = ExecutionEnvironment(inputs.platform_api, inputs.given.exec_env)
        candidates = expand(order, modules, takes_part=here.left_out)
        for candidate in candidates:
            answers = programs.ask(candidate.members)
            if resolved := account.judge(candidate, answers):
                account.tell(failed=False)
                group = group_of([candidate.members[place] for place in resolved.members])
                return Detected(
                    group=group,
                    plan=resolved.plan,
                    trail=tuple(account.trail),
                    modules=modules,
                    given=given,
                    needs=resolved.needs,
                )
    except PybuildError:
        account.tell(failed=True)
        raise
    account.tell(failed=True)
    raise account.failure()


def _with_distro(target: Target, modules: Modules) -> Target:
    events.info("target distro name/version labels not found, reading /etc/os-release file")
    return replace(target, distro=os_release.distro(modules.files))


def _setting(inputs: DetectInputs, target: Target, given: environ.Given) -> Setting:
    return Setting(
        app_dir=inputs.app_dir,
        tmp_dir=inputs.tmp_dir,
        base=environ.from_container(inputs.environ),
        given=given,
        target=target if inputs.platform_api >= _TARGETS_SINCE else None,
    )


@dataclass(frozen=True, slots=True)
class ExecutionEnvironment:
    """Where the app is to run, of which a module may say that it is not for it (DET-10)."""

    platform_api: ApiVersion
    name: str

    def left_out(self, module: Module) -> str:
        """Why this module takes no part here; "" if it does."""
        declared = module.descriptor.exec_envs if module.api >= _MODULE_EXEC_ENV_SINCE else ()
        if self.platform_api < _EXEC_ENV_SINCE or not self.name or not declared:
            return ""
        if "*" in declared or self.name in declared:
            return ""
        why = f"it is for {', '.join(declared)}, and this is {self.name}"
        events.detail(f"Skipping {module}: {why}")
        return why


def effective_order(order: OrderFile, system: System, platform_api: ApiVersion) -> OrderFile:
    """`order` with the system buildpacks, which count since Platform API 0.15."""
    if platform_api < _SYSTEM_SINCE:
        return order
    for verb, refs in (("Prepending", system.pre), ("Appending", system.post)):
        if refs:
            events.detail(f"{verb} {len(refs)} system buildpack(s) to group")
    return replace(order, order=with_system(order.order, system))


def group_of(members: Sequence[Member]) -> Group:
    """group.toml of these members."""
    elements = [
        GroupElement(
            id=member.id,
            version=member.version,
            api=member.module.descriptor.api,
            homepage=member.module.descriptor.homepage,
            extension=member.extension,
        )
        for member in members
    ]
    return Group(
        buildpacks=tuple(element for element in elements if not element.extension),
        extensions=tuple(element for element in elements if element.extension),
    )
