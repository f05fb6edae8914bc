"""What each module's bin/detect says of an app: run once per module, all of a group at the same time.

Specification: buildpack.md, "Detection"; image_extension.md, "Detection".
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild.buildenv.api import Command
from pybuild.buildenv.processes import WROTE_TOO_MUCH
from pybuild.errors import InvalidFile
from pybuild.spec import environ
from pybuild.spec.plan import BuildPlan
from pybuild.spec.target import Distro, TargetSpec, matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pybuild.buildenv.api import BuildEnv, Completed
    from pybuild.lifecycle.order import Member
    from pybuild.spec.target import Target

PASSED, FAILED, ERRORED = 0, 100, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a module's detect ended. `status`: its exit code, or ERRORED with the reason in `error`.

    `plan`: what it offers, if it passed. `output`: all that it wrote.
    """

    status: int
    output: bytes = b""
    error: str = ""
    plan: BuildPlan = field(default_factory=BuildPlan)

    @property
    def last_line(self) -> str:
        """The last line of output that is not blank, cut to 200 characters."""
        lines = self.output.rstrip().rsplit(b"\n", 1)
        return lines[-1][-1000:].decode(errors="backslashreplace").strip()[:200]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where and with what detects run. `base`: variables of the build environment; `tmp_dir`: any may write there.

    `target`: what the run image is, or None to let every module run, whatever it declares.
    """

    app_dir: str
    tmp_dir: str
    base: Mapping[str, str]
    given: environ.Given
    target: Target | None


class Programs:
    """The detects of one phase: no module is asked twice."""

    def __init__(self, env: BuildEnv, setting: Setting) -> None:
        self._env = env
        self._setting = setting
        self._answers: dict[tuple[str, str, str], Answer] = {}

    def ask(self, members: Iterable[Member]) -> list[Answer]:
        """An answer for each member; those not asked before run now, in one round trip."""
        members = list(members)
        waiting = []
        for member in members:
            if why := self._unfit(member):
                self._answers[_key(member)] = Answer(status=ERRORED, error=why)
            elif _key(member) not in self._answers:
                if member.module.has_detect:
                    waiting.append(member)
                else:
                    # Image extensions, "Detection": detect/ in its folder is what bin/detect would have made.
                    self._answers[_key(member)] = _passed(member, b"", member.module.plan)
        if waiting:
            commands = [self._command(member) for member in waiting]
            for member, done in zip(waiting, self._env.run_all(commands), strict=True):
                self._answers[_key(member)] = _answer(member, done)
        return [self._answers[_key(member)] for member in members]

    def _unfit(self, member: Member) -> str:
        """Why a required module cannot be part of an image like the run image. An optional one may well try."""
        declared, target = member.module.targets, self._setting.target
        if not declared or target is None or member.optional:
            return ""
        if any(matches(one, target) for one in declared):
            return ""
        return (
            f"unable to satisfy target os/arch constraints; run image: {_shown(target)}, "
            f"buildpack: {', or '.join(map(_shown, declared))}"
        )

    def _command(self, member: Member) -> Command:
        module, setting = member.module, self._setting
        # Buildpack API, "Detection": each module gets a plan file of its own.
        plan_path = f"{setting.tmp_dir}/plan.{secrets.randbelow(10**18)}.toml"
        variables = environ.detect_environ(
            setting.base,
            setting.given,
            api=module.api,
            clear_env=module.descriptor.clear_env,
            module_dir=module.root,
            plan_path=plan_path,
            extension=member.extension,
        )
        arguments = environ.detect_arguments(setting.given, plan_path=plan_path)
        return Command(
            argv=(f"{module.root}/bin/detect", *arguments),
            environ=variables,
            cwd=setting.app_dir,
            result=plan_path,
        )


def _key(member: Member) -> tuple[str, str, str]:
    return (member.kind, member.id, member.version)


def _answer(member: Member, done: Completed) -> Answer:
    if done.status == ERRORED:
        return Answer(status=ERRORED, error=done.output.decode(errors="backslashreplace").strip())
    if done.status == WROTE_TOO_MUCH:
        said = "it wrote more to its output, or into a file, than --log-limit (in a phase, PYBUILD_LOG_LIMIT) allows"
        return Answer(status=ERRORED, output=done.output, error=said)
    if done.status != PASSED:
        return Answer(status=done.status, output=done.output)
    if done.result is None:
        return Answer(
            status=ERRORED, output=done.output, error="its build plan is no regular file, or too large"
        )
    return _passed(member, done.output, done.result)


def _passed(member: Member, output: bytes, plan_text: bytes) -> Answer:
    try:
        plan = BuildPlan.read(plan_text, f"build plan of {member}")
    except InvalidFile as exc:
        return Answer(status=ERRORED, output=output, error=str(exc))
    error = _unfit_plan(member, plan)
    return Answer(status=ERRORED if error else PASSED, output=output, error=error, plan=plan)


def _unfit_plan(member: Member, plan: BuildPlan) -> str:
    requires = [require for option in plan.options for require in option.requires]
    for require in requires:
        if require.version:
            return (
                f"{member} requires {require.name} with a key 'version', which Buildpack API 0.3 took out; "
                f"it belongs into the metadata of the requirement"
            )
    if member.extension and requires:
        return f"{member} is an image extension, which may provide but not require; it requires {requires[0].name}"
    return ""


def _shown(target: Target | TargetSpec) -> str:
    """The parts that are known, as `linux amd64 ubuntu 22.04`."""
    distros = target.distros if isinstance(target, TargetSpec) else (target.distro or Distro(),)
    names = " or ".join(f"{distro.name} {distro.version}".strip() for distro in distros)
    return " ".join(part for part in (target.os, target.arch, target.variant, names) if part)
