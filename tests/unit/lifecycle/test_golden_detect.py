"""The detector against recordings of the Go lifecycle: groups, plans, exit codes, what users read (DET, GNR)."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from support import phase
from support.golden import cases

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.golden

# What detection itself does not tell: how much is logged is the command line's business.
_OTHER_LEVELS = {"-log-level", "CNB_LOG_LEVEL"}


@pytest.mark.parametrize("case", cases("detect"))
def test_detection_ends_as_recorded(case: dict[str, Any]) -> None:
    """DET-01 to DET-08, DET-10 to DET-12, DET-20 to DET-28, DET-30 to DET-37, DET-40, DET-41, GRP-01 to GRP-03, PLN-02, PLN-03, ORD-01 to ORD-03, BPT-01, BPT-11, BPT-15, GO-60 to GO-66."""
    if why := phase.can_run(case):
        pytest.skip(why)
    expect = case["expect"]

    with phase.tree(case) as root:
        outcome = phase.replay(case, root)

        assert outcome.exit_code == expect["exit_code"], outcome.output
        assert _text(root, case, "group", "group.toml") == expect["group_toml"]
        _check_plan(_text(root, case, "plan", "plan.toml"), expect)
        _check_generated(root, expect)
        if expect.get("out_stable", "out" in expect):
            assert _seen(root) == expect["out"]
        _check_output(outcome.output, case)


def _text(root: Path, case: Mapping[str, Any], flag: str, default: str) -> str | None:
    path = root / "layers" / default
    for name, value in zip(case["argv"], case["argv"][1:], strict=False):
        if name == f"-{flag}":
            path = root / value.removeprefix(f"{phase.ROOT}/")
    return phase.emptied(path.read_text("utf-8"), root) if path.exists() else None


def _check_plan(text: str | None, expect: Mapping[str, Any]) -> None:
    recorded = expect["plan_toml"]
    # The Go program walks a map for its entries: with several names their order is by chance.
    if text is None or recorded is None or len(re.findall(r"^\[\[entries\]\]$", recorded, re.MULTILINE)) < 2:
        assert text == recorded
    else:
        assert _blocks(text) == _blocks(recorded)
        assert tomllib.loads(text).keys() == {"entries"}


def _blocks(plan: str) -> list[str]:
    return sorted(block.strip("\n") for block in re.split(r"^\[\[entries\]\]\n", plan, flags=re.MULTILINE))


def _check_generated(root: Path, expect: Mapping[str, Any]) -> None:
    if "analyzed_toml" in expect:
        assert (root / "layers/analyzed.toml").read_text("utf-8") == expect["analyzed_toml"]
    generated = root / "layers/generated"
    assert (phase.files_below(generated, root) if generated.exists() else []) == (
        expect.get("generated") or []
    )


def _seen(root: Path) -> list[dict[str, str]]:
    """What scripts wrote, our plan files' names in the place of the Go program's."""
    found = phase.files_below(root / "out", root)
    for item in found:
        if "content" in item:
            content = re.sub(r"/plan\.[0-9]+\.toml", "/plan.RAND/plan.toml", item["content"])
            item["content"] = re.sub(r"/plan\.RAND/plan\.toml", "/plan.RAND/plan.toml", content)
    return found


def _check_output(output: str, case: Mapping[str, Any]) -> None:
    if _OTHER_LEVELS & {*case["argv"], *case["env"]} or "usage_trimmed" in case["expect"]:
        return
    told, recorded = _lines(output), _lines(case["expect"]["stdout"])
    if case["expect"]["log_varied"]:
        assert _sure(told) == _sure(recorded)
    else:
        assert told == recorded


def _sure(lines: list[str]) -> set[str]:
    """The lines that do not depend on which of several unmet names the Go program's map gave it first."""
    return {line for line in lines if not re.match(r"(fail|skip): .* (requires|provides unused) ", line)}


def _lines(output: str) -> list[str]:
    """The lines that are told in the same words: not what Go's own libraries say of errors."""
    found: list[str] = []
    is_error = False
    for line in output.splitlines():
        if line.startswith("ERROR: "):
            continue
        if re.match(r"======== |(pass|skip|fail|err): ", line):
            is_error = line.startswith("======== Error: ")
            found.append(line)
        elif not is_error:
            found.append(line)
    return found
