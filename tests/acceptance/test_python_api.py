"""What the page of the Python API says: its examples run and show what it shows; it names all that there is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pybuild
from support.sample import SAMPLES, forget

if TYPE_CHECKING:
    import docker

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python-api.md"
FENCE = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "=== example"


def examples() -> list[tuple[str, list[str]]]:
    """Each block of Python with the lines that it must print."""
    blocks = FENCE.findall(PAGE.read_text("utf-8"))
    following = [*blocks[1:], ("", "")]
    return [
        (text, after.splitlines() if kind_after == "text" else [])
        for (kind, text), (kind_after, after) in zip(blocks, following, strict=True)
        if kind == "python"
    ]


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_the_examples_do_what_the_page_says(engine: docker.APIClient, test_run: str, tmp_path: Path) -> None:
    name, app = f"{test_run}-api", tmp_path / "app"
    app.mkdir()
    shutil.copy(SAMPLES / "procfile-shell" / "serve.pl", app)
    (app / "Procfile").write_text("web: perl serve.pl\n")
    program = f'print("{MARK}")\n'.join(["", *(text for text, _ in examples())])

    try:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program.replace("myapp", name)],
            cwd=app,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
    finally:
        forget(engine, name, ())

    assert done.returncode == 0, done.stderr
    shown = done.stdout.replace(name, "myapp").split(f"{MARK}\n")[1:]
    for (text, expected), output in zip(examples(), shown, strict=True):
        missing = [line for line in expected if line not in output]
        assert not missing, f"{text}\ndid not show {missing} but\n{output}"


def test_the_page_names_everything_that_is_public() -> None:
    page = PAGE.read_text("utf-8")
    options = pybuild.BuildOptions.__annotations__

    assert [name for name in (*options, *pybuild.__all__) if f"`{name}`" not in page] == ["__version__"]


def test_the_examples_pass_a_strict_type_check(tmp_path: Path) -> None:
    program = tmp_path / "examples.py"
    program.write_text("\n".join(text for text, _ in examples()), "utf-8")
    words = ["--strict", "--config-file=", "--python-executable", sys.executable]

    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words, "--cache-dir", str(tmp_path / "cache"), str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_option_is_one_of_the_command() -> None:
    from pybuild.cli.build import command

    known = {parameter.name for parameter in command.params}

    assert set(pybuild.BuildOptions.__annotations__) - known == set()


def test_importing_pybuild_imports_nothing_of_it() -> None:
    program = "import pybuild, sys; print([n for n in sys.modules if n.startswith('pybuild.')])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pybuild.nothing  # type: ignore[attr-defined] # noqa: B018
