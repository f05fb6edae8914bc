"""What stays of an app's source in an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.libcnb import source
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.layers import Layers
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path


def context(app: Path, **environ: str) -> BuildContext:
    return BuildContext(
        app=app,
        buildpack=app,
        platform=app,
        layers=Layers(app / "layers"),
        plan=(),
        store={},
        target=Target(),
        exec_env="production",
        environ=environ,
        version="1",
    )


def write(app: Path, name: str) -> None:
    (app / name).parent.mkdir(parents=True, exist_ok=True)
    (app / name).touch()


def test_only_what_is_to_be_kept_stays_in_the_app(tmp_path: Path) -> None:
    for name in ("main.go", "Procfile", "web/static/a/b.css", "web/x.go", "templates/t.html", "empty/.keep"):
        write(tmp_path, name)
    (tmp_path / "link").symlink_to("/etc")

    kept = source.clear(tmp_path, ("Procfile", "web/static", "templates/*.html", "nothing/*"))

    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == [
        "Procfile",
        "templates",
        "templates/t.html",
        "web",
        "web/static",
        "web/static/a",
        "web/static/a/b.css",
    ]
    assert {"Procfile", "templates/t.html", "web/static/a/b.css"} <= set(kept)


def test_patterns_come_from_the_setting_and_the_procfile_always_stays(tmp_path: Path) -> None:
    assert source.kept_patterns(context(tmp_path, BP_KEEP_FILES="a/*:b")) == ("Procfile", "a/*", "b")
    assert source.kept_patterns(context(tmp_path), "static/*") == ("Procfile", "static/*")


@pytest.mark.parametrize("pattern", ["../x", "/etc/passwd", "a:b/../../c"])
def test_a_pattern_that_leads_out_is_refused(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="leads out of the app"):
        source.kept_patterns(context(tmp_path, BP_KEEP_FILES=pattern))
