"""What the tutorial and the README tell readers to type works, and shows what they say it shows.

A fenced block marked `sh` is run, in order, in one shell; a block marked `text` after it holds parts of its
output, line by line, in which runs of spaces count as one. `sh elsewhere` is for readers only: it needs what a
machine that tests may not have, and the test brings that itself.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from pybuild.cli.main import cli
from support import services
from support.sample import SAMPLES, build, forget, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "php-in-ten-minutes.md"
BUILDPACK_TUTORIAL = ROOT / "docs" / "tutorial" / "write-a-buildpack.md"
PAGES = [ROOT / "README.md", ROOT / "samples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARK = "=== step"
FENCE = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^( *)```[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^ *(?:\$ )?(pybuild [^\n|#]*)", re.MULTILINE)
IN_A_SENTENCE = re.compile(r"`(pybuild [^`\n]*)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One block to run, and the lines that its output must have."""

    commands: str
    shows: tuple[str, ...]


def steps(page: str) -> Iterator[Step]:
    blocks = [found.groups() for found in FENCE.finditer(page)]
    for (kind, mark, text), (next_kind, _, next_text) in zip(
        blocks, [*blocks[1:], ("", "", "")], strict=True
    ):
        if kind == "sh" and mark is None:
            shows = next_text.splitlines() if next_kind == "text" else ()
            yield Step(commands=text, shows=tuple(line for line in shows if line.strip()))


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(900)
def test_the_tutorial_does_what_it_says(engine: docker.APIClient, test_run: str, tmp_path: Path) -> None:
    name, port = f"{test_run}-tutorial", free_port()
    page = TUTORIAL.read_text("utf-8").replace("visits", name)
    page = page.replace("localhost:8080", f"localhost:{port}").replace("-p 8080:", f"-p {port}:")
    account = services.Account(database=name, password="secret")

    script, log = list(steps(page)), tmp_path / "output"

    try:
        with services.started(engine, ("mariadb",), name, account), removing(engine, f"{name}-app"):
            run(script, tmp_path, log)
    finally:
        shown = log.read_text("utf-8", "replace")
        forget(engine, name, re.findall(r"^\*\*\* Images \(([0-9a-f]+)", shown, re.MULTILINE))

    check(script, shown)


@pytest.mark.docker
def test_the_tutorial_for_authors_does_what_it_says(
    engine: docker.APIClient, test_run: str, tmp_path: Path
) -> None:
    """Issue 5, 7: a stranger writes, tests, checks, uses and packages a buildpack."""
    name = f"{test_run}-said"
    page = re.sub(r"\bsaid\b", name, BUILDPACK_TUTORIAL.read_text("utf-8"))
    script, log = list(steps(page)), tmp_path / "output"

    try:
        run(script, tmp_path, log)
    finally:
        shown = log.read_text("utf-8", "replace")
        forget(engine, name, re.findall(r"^\*\*\* Images \(([0-9a-f]+)", shown, re.MULTILINE))

    check(script, shown)


def check(script: list[Step], shown: str) -> None:
    """Each step must have shown its lines."""
    for step, output in zip(script, shown.split(f"{MARK}\n")[1:], strict=True):
        plain = re.sub(r" +", " ", output)
        missing = [line for line in step.shows if re.sub(r" +", " ", line.strip()) not in plain]
        assert not missing, f"{step.commands}\ndid not show {missing} but\n{output}"


def run(script: list[Step], folder: Path, log: Path) -> None:
    """Run all steps in one shell that stops at the first failure; a line MARK in the log precedes each."""
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XDG_STATE_HOME": str(folder / "state"),
    }
    with log.open("wb") as output:
        done = subprocess.run(
            ["sh", "-eu", "-c", "".join(f"echo '{MARK}'\n{step.commands}" for step in script)],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=800,
            check=False,
        )
    assert done.returncode == 0, log.read_text("utf-8", "replace")


@contextmanager
def removing(engine: docker.APIClient, container: str) -> Iterator[None]:
    """Remove the container, if it is there, when the block ends."""
    try:
        yield
    finally:
        for found in engine.containers(all=True, filters={"name": container}):
            engine.remove_container(found["Id"], force=True)


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(900)
def test_the_output_that_the_readme_shows_is_real(
    engine: docker.APIClient, test_run: str, tmp_path: Path
) -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    shown = next(text for kind, _, text in FENCE.findall(page) if kind == "console")
    name = f"{test_run}-readme"

    try:
        built = build(name, SAMPLES / "php-guestbook", {}, state=tmp_path)
    finally:
        forget(engine, name, ())

    output = without_numbers(built.output.replace(name, "guestbook"))
    expected = [without_numbers(line.partition("…")[0]) for line in shown.splitlines()[1:]]
    assert [line for line in expected if line not in output] == []


def without_numbers(text: str) -> str:
    """`text` with every size, time and version made alike: they differ from day to day."""
    return re.sub(r"([0-9]+ min )?[0-9]+(\.[0-9]+)*( ([kMG]?B|s)\b)?", "0", text)


@pytest.mark.parametrize("tutorial", [TUTORIAL, BUILDPACK_TUTORIAL], ids=lambda path: path.stem)
def test_every_step_of_the_tutorials_that_shows_something_is_run(tutorial: Path) -> None:
    page = tutorial.read_text("utf-8")

    found = list(steps(page))

    assert len([step for step in found if step.shows]) == page.count("```text")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    targets = [target.partition("#")[0] for target in LINK.findall(page.read_text("utf-8"))]

    missing = [
        target for target in targets if target and "://" not in target and not (page.parent / target).exists()
    ]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_shown_as_yaml_is_that(page: Path) -> None:
    for kind, _, text in FENCE.findall(page.read_text("utf-8")):
        if kind == "yaml":
            assert isinstance(yaml.safe_load(text), dict)


def commands() -> list[str]:
    """Every `pybuild …` that a page tells to type, in a block or within a sentence."""
    found: set[str] = set()
    for page in PAGES:
        text = re.sub(r"\\\n\s*", "", page.read_text("utf-8"))
        found |= {command for _, block in BLOCK.findall(text) for command in LINE.findall(block)}
        found |= set(IN_A_SENTENCE.findall(text))
    return sorted({command.partition("  ")[0].strip() for command in found})


@pytest.mark.parametrize("command", commands())
def test_every_command_and_option_of_the_documents_exists(command: str) -> None:
    # What follows `--` is for another program.
    words = list(itertools.takewhile(lambda word: word != "--", shlex.split(command)[1:]))

    result = CliRunner().invoke(cli, [*words, "--help"])

    assert result.exit_code == 0, result.output
