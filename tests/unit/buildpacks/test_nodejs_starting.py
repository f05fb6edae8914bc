"""An app whose script `start` is for developers is refused at build; it would end at once in the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nodejs.build import starting
from nodejs.manifest import Lock, Manifest
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.layers import Layers
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from nodejs.scripts import Start

FOR_DEVELOPERS = Manifest(scripts={"start": "no-such-tool serve"}, dev={"no-such-tool": "1"})


def started(app: Path, manifest: Manifest, *, exec_env: str = "production", **environ: str) -> Start | None:
    context = BuildContext(
        app=app,
        buildpack=app,
        layers=Layers(app / "layers"),
        platform=app / "platform",
        plan=(),
        store={},
        target=Target(),
        environ=environ,
        version="1",
        exec_env=exec_env,
    )
    return starting(context, manifest, Lock(tool="npm"))


def test_a_script_for_developers_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot run in the image") as refused:
        started(tmp_path, FOR_DEVELOPERS)

    assert "no-such-tool is in none of the packages in dependencies" in refused.value.found
    assert any("BP_NODE_PRUNE=false" in step for step in refused.value.steps)


def test_who_keeps_all_packages_is_believed(tmp_path: Path) -> None:
    """The program may be one that only the run image has."""
    found = started(tmp_path, FOR_DEVELOPERS, BP_NODE_PRUNE="false")

    assert found is not None
    assert found.line == "no-such-tool serve"


@pytest.mark.parametrize("exec_env", ["development", "test"])
def test_developers_have_the_program(exec_env: str, tmp_path: Path) -> None:
    assert started(tmp_path, FOR_DEVELOPERS, exec_env=exec_env) is not None


def test_an_app_without_packages_for_developers_is_believed(tmp_path: Path) -> None:
    assert started(tmp_path, Manifest(scripts={"start": "no-such-tool serve"})) is not None


def test_a_procfile_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: node server.js\n")

    assert started(tmp_path, FOR_DEVELOPERS) is None
