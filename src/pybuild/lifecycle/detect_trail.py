"""What came of every group that detection tried, as values and as the lines that users of the Go lifecycle know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pybuild import events
from pybuild.errors import DetectError, DetectionFailed, NothingDetected
from pybuild.lifecycle.detect_programs import ERRORED, FAILED, PASSED, Answer
from pybuild.lifecycle.resolve import TRIALS_MOST, Offer, Resolved, Unmet, Unresolved, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.lifecycle.order import Candidate, Member

LINES_MOST = 20_000
TRAIL_MOST = 1_000


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


class Account:
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
