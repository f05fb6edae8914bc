"""Detection: which group of buildpacks fits the app, and the plan that they agree on.

Specification: buildpack.md, "Phase #1: Detection"; platform.md, "detector".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from pybuild import events
from pybuild.errors import DetectError, DetectionFailed, NothingDetected, PybuildError
from pybuild.lifecycle import os_release
from pybuild.lifecycle.buildpacks import Module, Modules
from pybuild.lifecycle.detect_programs import ERRORED, FAILED, PASSED, Answer, Programs, Setting
from pybuild.lifecycle.order import Candidate, Member, check_order, expand, with_system
from pybuild.lifecycle.resolve import TRIALS_MOST, Offer, Resolved, Unmet, Unresolved, resolve
from pybuild.spec import environ
from pybuild.spec import target as targets
from pybuild.spec.api import ApiVersion
from pybuild.spec.order import Group, GroupElement, OrderFile, System

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv
    from pybuild.spec.plan import Plan
    from pybuild.spec.target import Target

LINES_MOST = 20_000
TRAIL_MOST = 1_000

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
class BuildpackTrail:
    """What one module of a group came to. `status`: of its bin/detect, None where none ended.

    `reason`: why it errored or was skipped. `last_line`: of what it wrote.
    """

    id: str
    version: str
    verdict: Literal["passed", "failed", "errored", "skipped"]
    optional: bool = False
    extension: bool = False
    status: int | None = None
    reason: str = ""
    last_line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTrail:
    """One group that was tried. `unmet`: what made its plans fail. `passed`: this one was chosen.

    Of the chosen group, `unmet` tells why optional members were left out after all.
    """

    members: tuple[BuildpackTrail, ...]
    unmet: tuple[Unmet, ...] = ()
    passed: bool = False


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
    account = _Account()
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


class _Account:
    """What came of every group: the trail for callers, and the lines that users of the Go lifecycle know.

    The lines are held back until the end: all are shown if nothing passed, else only those that tell of errors.
    """

    def __init__(self) -> None:
        self.trail: list[GroupTrail] = []
        self._errored = False
        self._lines: list[tuple[bool, str, bytes]] = []
        self._chosen: list[str] = []

    def judge(self, candidate: Candidate, answers: Sequence[Answer]) -> Resolved | None:
        """How the group's plans resolve, if its modules' answers let it come to that and they do."""
        for member, answer in zip(candidate.members, answers, strict=True):
            self._note_output(member, answer)
        self._note("======== Results ========")
        holds, errored, has_buildpack = True, False, False
        for member, answer in zip(candidate.members, answers, strict=True):
            self._note_answer(member, answer)
            holds = holds and (answer.status == PASSED or member.optional)
            errored = errored or answer.status not in (PASSED, FAILED)
            has_buildpack = has_buildpack or (answer.status == PASSED and not member.extension)
        outcome: Resolved | Unresolved | None = None
        if not holds:
            self._errored = self._errored or (errored and candidate.errors_count)
        elif not has_buildpack:
            self._note("fail: no viable buildpacks in group")
        else:
            outcome = self._resolve(candidate, answers)
        resolved = outcome if isinstance(outcome, Resolved) else None
        unmet = resolved.left_out if resolved else outcome.unmet if isinstance(outcome, Unresolved) else ()
        # A user reads the first ones; the order stands for as many as it likes.
        if len(self.trail) < TRAIL_MOST or resolved:
            self.trail.append(
                GroupTrail(members=_trail(candidate, answers), unmet=unmet, passed=resolved is not None)
            )
        return resolved

    def _resolve(self, candidate: Candidate, answers: Sequence[Answer]) -> Resolved | Unresolved:
        passed = [place for place, answer in enumerate(answers) if answer.status == PASSED]
        offers = [_offer(candidate.members[place], answers[place]) for place in passed]
        outcome = resolve(offers)
        for trial in outcome.trials:
            self._note(f"Resolving plan... (try #{trial.number})")
            for unmet in trial.unmet:
                self._note(str(unmet))
            if trial.empty:
                self._note("fail: no viable buildpacks in group")
        if isinstance(outcome, Unresolved):
            if outcome.cut:
                who = ", ".join(str(offer) for offer in offers)
                raise DetectError(f"none of {TRIALS_MOST} ways to combine the build plans of {who} holds")
            return outcome
        outcome = replace(outcome, members=tuple(passed[place] for place in outcome.members))
        chosen = [candidate.members[place] for place in outcome.members]
        if len(chosen) != len(candidate.members):
            self._chosen.append(f"{len(chosen)} of {len(candidate.members)} buildpacks participating")
        width = max(len(member.id) for member in chosen)
        self._chosen += [f"{member.id:<{width}} {member.version}" for member in chosen]
        return outcome

    def tell(self, *, failed: bool) -> None:
        """Emit what was noted, once."""
        for always, text, output in self._lines:
            if failed or always:
                events.info(text)
                if output:
                    events.emit(events.Output(source=text.strip("= "), data=output))
            else:
                events.detail(text)
                if output:
                    events.detail(output.decode(errors="backslashreplace").rstrip("\n"))
        for text in self._chosen:
            events.info(text)
        self._lines.clear()

    def failure(self) -> NothingDetected:
        """The error for no group having passed."""
        if self._errored:
            return DetectionFailed(
                "No buildpack groups passed detection, and a buildpack ended with an error.",
                trail=tuple(self.trail),
            )
        return NothingDetected(
            "No buildpack groups passed detection.",
            hint="Please check that you are running against the correct path.",
            trail=tuple(self.trail),
        )

    def _note_output(self, member: Member, answer: Answer) -> None:
        always = answer.status not in (PASSED, FAILED)
        if answer.output:
            ended = answer.output if answer.output.endswith(b"\n") else answer.output + b"\n"
            self._note(f"======== Output: {member} ========", always=always, output=ended)
        if answer.error:
            self._note(f"======== Error: {member} ========", always=always)
            self._note(answer.error, always=always)

    def _note_answer(self, member: Member, answer: Answer) -> None:
        match answer.status:
            case 0:
                self._note(f"pass: {member}")
            case 100:
                self._note(f"{'skip' if member.optional else 'fail'}: {member}")
            case -1:
                self._note(f"err:  {member}", always=True)
            case status:
                self._note(f"err:  {member} ({status})", always=True)

    def _note(self, text: str, *, always: bool = False, output: bytes = b"") -> None:
        if len(self._lines) < LINES_MOST:
            self._lines.append((always, text, output))


def _offer(member: Member, answer: Answer) -> Offer:
    return Offer(
        id=member.id,
        version=member.version,
        options=answer.plan.options,
        optional=member.optional,
        extension=member.extension,
    )


def _trail(candidate: Candidate, answers: Sequence[Answer]) -> tuple[BuildpackTrail, ...]:
    verdicts: dict[int, Literal["passed", "failed"]] = {PASSED: "passed", FAILED: "failed"}
    tried = [
        BuildpackTrail(
            id=member.id,
            version=member.version,
            verdict=verdicts.get(answer.status, "errored"),
            optional=member.optional,
            extension=member.extension,
            status=None if answer.status == ERRORED else answer.status,
            reason=answer.error,
            last_line=answer.last_line,
        )
        for member, answer in zip(candidate.members, answers, strict=True)
    ]
    skipped = [
        BuildpackTrail(id=left_out.id, version=left_out.version, verdict="skipped", reason=left_out.why)
        for left_out in candidate.left_out
    ]
    return (*tried, *skipped)
