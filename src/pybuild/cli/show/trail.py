"""How detection went, as a table for people and as data: every buildpack of every group, the choice and its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pybuild.cli.show.table import table
from pybuild.errors import DetectionFailed
from pybuild.platform.app.lookalikes import apps_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pybuild.errors import NothingDetected
    from pybuild.lifecycle.detect import Detected
    from pybuild.lifecycle.detect_trail import BuildpackTrail, GroupTrail

_GROUPS_MOST = 20  # groups that people are shown; data has all of them
_HEADER = ("BUILDPACK", "RESULT", "WHY")


def groups_of(failure: NothingDetected) -> tuple[GroupTrail, ...]:
    """The groups that were tried before detection gave up."""
    return cast("tuple[GroupTrail, ...]", failure.trail)


def trail_lines(groups: Sequence[GroupTrail], *, width: int) -> list[str]:
    """A table for each group that was tried, in order."""
    shown = list(enumerate(groups, start=1))
    if len(shown) > _GROUPS_MOST:
        shown = [*shown[: _GROUPS_MOST - 1], shown[-1]]
    lines = []
    for number, group in shown:
        result = "chosen" if group.passed else "did not pass"
        lines.append(f"Group {number} of {len(groups)}: {result}")
        rows = [(_who(member), *_verdict(member, group)) for member in group.members]
        lines += table(rows, header=_HEADER, width=width, indent="  ")
        lines += [] if group.passed else [f"  {_sentence(unmet)}" for unmet in group.unmet]
        lines.append("")
    if len(shown) < len(groups):
        lines += [f"({len(groups) - len(shown)} more groups; --json shows all of them)", ""]
    return lines


def plan_lines(found: Detected, *, width: int) -> list[str]:
    """The plan: who provides what to whom."""
    if not found.plan.entries:
        return ["Plan: no buildpack asks for anything of another one", ""]
    rows = [
        (entry["name"], ", ".join(entry["provided_by"]), ", ".join(entry["required_by"]))
        for entry in plan_data(found)
    ]
    return ["Plan", *table(rows, header=("WHAT", "PROVIDED BY", "FOR"), width=width, indent="  "), ""]


def plan_data(found: Detected) -> list[dict[str, Any]]:
    """The same as data."""
    shown = []
    for entry in found.plan.entries:
        names = dict.fromkeys(require.name for require in entry.requires)
        shown.append(
            {
                "name": ", ".join(names),
                "provided_by": [f"{provider.id}@{provider.version}" for provider in entry.providers],
                "required_by": list(dict.fromkeys(who for who, what in found.needs if what in names)),
            }
        )
    return shown


def trail_data(groups: Iterable[GroupTrail]) -> list[dict[str, Any]]:
    """Every group as data, for `--json`."""
    return [
        {
            "passed": group.passed,
            "buildpacks": [
                {
                    "id": member.id,
                    "version": member.version,
                    "extension": member.extension,
                    "optional": member.optional,
                    "result": _verdict(member, group)[0],
                    "status": member.status,
                    "reason": _verdict(member, group)[1],
                    "last_line": member.last_line,
                }
                for member in group.members
            ],
            "unmet": [
                {"who": unmet.who, "kind": unmet.kind, "name": unmet.name, "fatal": unmet.fatal}
                for unmet in group.unmet
            ],
        }
        for group in groups
    ]


def failure_data(failure: NothingDetected) -> dict[str, Any]:
    """A failed detection as data; its hint must be the next step already."""
    return {"detected": False, "groups": trail_data(groups_of(failure)), "hint": failure.hint}


def next_step(failure: NothingDetected, path: Path, image: str) -> str:
    """What to try after this failure: a folder that looks like an app, or a look at what the buildpacks said."""
    if isinstance(failure, DetectionFailed):
        return "see all that the buildpacks wrote: pybuild detect -v"
    below = apps_below(path)
    if below:
        folder, marker = below[0]
        more = f" (so do {', '.join(name for name, _ in below[1:4])})" if len(below) > 1 else ""
        return f"{folder}/ looks like an app, with its {marker}{more}: pybuild {image} --path {path / folder}"
    return (
        "add a file that a buildpack looks for, such as a Procfile, name the app's folder with --path, "
        "or choose buildpacks with --buildpack"
    )


def _who(member: BuildpackTrail) -> str:
    return f"{member.id}@{member.version}" if member.version else member.id


def _verdict(member: BuildpackTrail, group: GroupTrail) -> tuple[str, str]:
    """The result in one word, and why."""
    said = member.last_line.strip()
    unmet = [what for what in group.unmet if what.who == _who(member)]
    match member.verdict:
        case "passed" if group.passed and unmet:
            return "left out", "; ".join(map(_what, unmet))
        case "passed":
            return "passed", said or "; ".join(map(_what, unmet))
        case "failed":
            return "left out" if member.optional else "failed", said
        case "errored":
            status = f"status {member.status}" if member.status is not None else ""
            return "error", ": ".join(filter(None, (status, member.reason or said)))
        case "skipped":
            return "skipped", member.reason


def _what(unmet: Any) -> str:
    if unmet.kind == "requires":
        return f"requires {unmet.name}, which nothing before it provides"
    return f"provides {unmet.name}, which nothing after it requires"


def _sentence(unmet: Any) -> str:
    return f"{unmet.who} {_what(unmet)}"
