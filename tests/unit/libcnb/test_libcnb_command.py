"""Tools run by a buildpack, bindings, plans: what comes in from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidFile
from pybuild.libcnb import command
from pybuild.libcnb.answers import Answers
from pybuild.libcnb.bindings import of_type, read_bindings
from pybuild.libcnb.plan import read_entries

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tool_is_shown_line_by_line_and_its_failure_quotes_it(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(command.ToolFailed, match="ended with status 3") as caught:
        command.run(["sh", "-c", "echo one; echo two >&2; printf three; exit 3"], indent="> ")

    assert capfd.readouterr().out == "> one\n> two\n> three\n"
    assert caught.value.output == "one\ntwo\nthree"


def test_the_cause_is_found_although_a_page_of_usage_follows_it() -> None:
    """As newer npm has it. What is shown stays short."""
    with pytest.raises(command.ToolFailed) as caught:
        command.run(
            ["sh", "-c", "echo cause; for n in $(seq 120); do echo usage $n; done; exit 1"], indent=""
        )

    assert caught.value.log.startswith("cause\nusage 1\n")
    assert len(caught.value.output.split("\n")) == command.LAST_LINES


def test_a_tool_that_writes_no_text_is_shown_all_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    command.run(["printf", "\\377x\\n"], indent="")

    assert capfd.readouterr().out == "\ufffdx\n"


def test_a_killed_tool_is_said_to_be_killed() -> None:
    with pytest.raises(command.ToolFailed, match="was killed by signal 9"):
        command.read(["sh", "-c", "kill -9 $$"])


def test_a_missing_tool_is_named() -> None:
    with pytest.raises(command.ToolFailed, match="no-such-tool cannot be started: No such file") as caught:
        command.read(["no-such-tool"])

    assert "must have no-such-tool" in caught.value.hint


def test_a_tool_that_hangs_is_given_up() -> None:
    with pytest.raises(command.ToolFailed, match="did not end within"):
        command.capture(["sleep", "5"], timeout=0.05)


def test_bindings_are_folders_with_a_type(tmp_path: Path) -> None:
    for name, text in {
        "db/type": "mysql\n",
        "db/password": " p\n\n",
        "db/..data/type": "hidden",
        "note/readme": "no type",
        "npm/type": "npmrc",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    found = read_bindings(tmp_path)

    assert [binding.name for binding in found] == ["db", "npm"]
    assert found[0].values == {"type": "mysql", "password": " p\n"}
    assert of_type(found, "MySQL", "mariadb") == (found[0],)
    assert read_bindings(tmp_path / "none") == ()


def test_plan_entries_carry_their_metadata(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text('[[entries]]\nname = "nginx"\n[entries.metadata]\nlaunch = true\n')

    (entry,) = read_entries(tmp_path / "plan.toml")

    assert (entry.name, entry.metadata) == ("nginx", {"launch": True})


def test_a_plan_entry_without_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("[[entries]]\n")

    with pytest.raises(InvalidFile, match=r"plan.toml: entries\[0\].name"):
        read_entries(tmp_path / "plan.toml")


@pytest.mark.parametrize("damage", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000])
def test_damaged_memories_are_forgotten(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "answers").write_bytes(damage)

    answers = Answers(tmp_path / "answers")

    assert answers.get([b"q"], lambda: "new") == "new"


def test_only_what_was_asked_again_is_remembered(tmp_path: Path) -> None:
    first = Answers(tmp_path / "answers")
    first.get([b"a"], lambda: "1")
    first.get([b"b"], lambda: "2")
    first.save()
    second = Answers(tmp_path / "answers")
    second.get([b"a"], lambda: "changed")
    second.save()

    third = Answers(tmp_path / "answers")

    assert [third.get([b"a"], lambda: "new"), third.get([b"b"], lambda: "new")] == ["1", "new"]
