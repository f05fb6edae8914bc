"""Every command of every document is run: by a reader, on a machine of tiny builders where the documents' names are real.

`documents.toml` says what a page needs, and why the few commands that cannot be run there are not. Where another test
runs them, it names that. The tutorials and the README's output have tests that show more (`test_docs.py`).
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from support.documents import CI_FILES, PAGES, ROOT, SHELLS, Documents, Reading, commands, fences, indented

if TYPE_CHECKING:
    from support.reader import ReaderMachine

DOCUMENTS = Documents.read(Path(__file__).parent / "documents.toml")
TEXTS = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in PAGES}
TYPED = {name: commands(text) for name, text in TEXTS.items() if commands(text)}
MARK = "=== command "


@pytest.mark.docker
@pytest.mark.timeout(700)
@pytest.mark.parametrize("reading", DOCUMENTS.readings, ids=lambda reading: reading.pages[0])
def test_what_documents_tell_to_type_works(reading: Reading, reader_machine: ReaderMachine) -> None:
    home = reader_machine.home(re.sub(r"\W", "-", reading.pages[0]))
    for path, which in reading.files.items():
        kind, _, number = which.partition(" ")
        of_kind = [fence.text for fence in fences(TEXTS[reading.pages[0]]) if fence.kind == kind]
        _write(home / "work" / path, of_kind[int(number) - 1])

    done = reader_machine.sh(_script(reading), home, reading.environ)

    assert done.returncode == 0, done.stdout.rpartition(MARK)[2]


def _script(reading: Reading) -> str:
    """What a reader types, one command after the other, each after a line that tells which one it is."""
    typed = dict.fromkeys(command for name in reading.pages for command in TYPED[name])
    script = [reading.before]
    for number, command in enumerate(command for command in typed if not DOCUMENTS.left_out(command)):
        code = reading.ends.get(command, 0)
        for text, other in reading.instead.items():
            command = command.replace(text, other)
        script.append(f"echo {shlex.quote(f'{MARK}{number}: {command}')}")
        script += ["set +e", command, f"[ $? = {code} ] || exit 99", "set -e"] if code else [command]
    return "\n".join(script)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755 if content.startswith("#!") else 0o644)


def test_every_page_that_tells_to_type_something_is_read_once() -> None:
    read = [page for reading in DOCUMENTS.readings for page in reading.pages]

    assert sorted([*read, *(page for page in DOCUMENTS.tests if page.endswith(".md"))]) == sorted(TYPED)


def test_what_is_not_run_is_little_and_is_there() -> None:
    left_out = [command for entry in DOCUMENTS.elsewhere for command in entry.commands]
    typed = {command for reading in DOCUMENTS.readings for name in reading.pages for command in TYPED[name]}

    assert [command for command in left_out if command not in typed] == []
    assert len(left_out) == len(set(left_out))
    assert len(DOCUMENTS.elsewhere) <= 9, "run it rather"
    # Of pybuild itself, only what needs a terminal, pack or Debian's archive.
    assert len([command for command in left_out if "pybuild " in command and "git clone" not in command]) <= 6


def test_a_test_that_is_named_exists() -> None:
    named = [*DOCUMENTS.tests.values(), *(entry.test for entry in DOCUMENTS.elsewhere if entry.test)]

    for path, _, test in (name.partition("::") for name in named):
        assert re.search(rf"^def {test}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), f"{path}::{test}"


def test_files_for_ci_systems_are_run_by_a_test_that_reads_them() -> None:
    for file in CI_FILES:
        name, text = str(file.relative_to(ROOT)), file.read_text("utf-8")

        assert all(isinstance(document, dict) for document in yaml.safe_load_all(text)), name
        if re.search(r"^\s*-? *(args|command|run|script):", text, re.MULTILINE):
            test = ROOT / DOCUMENTS.tests[name].partition("::")[0]
            assert file.name in test.read_text("utf-8"), f"{test} does not read {name}"


@pytest.mark.parametrize("name", TEXTS)
def test_commands_stand_in_blocks_that_say_so(name: str) -> None:
    """Else no test would find them: blocks of sh and console, tables' last cells, CI's files; `bash` is a file's content."""
    firsts = {command.split()[0] for typed in TYPED.values() for command in typed}
    programs = {word for word in firsts if "=" not in word}  # not a variable before one
    lines = indented(TEXTS[name])
    for fence in fences(TEXTS[name]):
        # What programs print is `text`; it may begin with any word, but not with a prompt.
        lines += [
            line for line in fence.text.splitlines() if fence.kind not in SHELLS and line.startswith("$ ")
        ]
    files = sum(len(reading.files) for reading in DOCUMENTS.readings if name in reading.pages)

    assert [line for line in lines if line.split()[0] in programs | {"$"}] == []
    assert sum(fence.kind == "bash" for fence in fences(TEXTS[name])) <= files
