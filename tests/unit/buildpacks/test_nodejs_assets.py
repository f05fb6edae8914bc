"""Node.js in apps of other languages: it builds assets where there are any, and never takes the app over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nodejs import assets
from nodejs.detect import detect
from nodejs.manifest import Manifest
from pybuild.libcnb.context import DetectContext, Target
from pybuild.libcnb.plan import NotForUs, Passed

if TYPE_CHECKING:
    from pathlib import Path


def detected(app: Path, **environ: str) -> Passed | NotForUs:
    return detect(
        DetectContext(
            app=app,
            buildpack=app,
            platform=app,
            plan_path=app / "plan.toml",
            target=Target(),
            exec_env="production",
            environ=environ,
        )
    )


def package(app: Path, **scripts: str) -> None:
    (app / "package.json").write_text(json.dumps({"scripts": scripts}))


@pytest.mark.parametrize("mark", ["composer.json", "manage.py", "requirements.txt", "Gemfile"])
def test_assets_are_built_for_another_language(tmp_path: Path, mark: str) -> None:
    (tmp_path / mark).touch()
    package(tmp_path, build="vite build")

    answer = detected(tmp_path)

    assert isinstance(answer, Passed)
    (option,) = answer.options
    assert [(need.name, need.metadata) for need in option.requires] == [
        ("node", {"found": "package.json", "assets": True})
    ]


@pytest.mark.parametrize("scripts", [{}, {"test": "jest", "start": "node ."}])
def test_a_package_json_that_builds_nothing_is_left_alone(tmp_path: Path, scripts: dict[str, str]) -> None:
    (tmp_path / "composer.json").touch()
    package(tmp_path, **scripts)

    answer = detected(tmp_path)

    assert isinstance(answer, NotForUs)
    assert "no script that builds" in answer.reason


def test_javascript_beside_another_language_is_no_app(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "index.js").touch()

    assert isinstance(detected(tmp_path), NotForUs)


def test_a_variable_makes_it_an_app_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").touch()
    package(tmp_path, build="tsc", start="node .")

    answer = detected(tmp_path, BP_NODE_ASSETS="false")

    assert isinstance(answer, Passed)
    assert assets.METADATA not in answer.options[-1].requires[0].metadata


@pytest.mark.parametrize(
    ("mark", "environ", "wanted"),
    [
        ("Gemfile", {}, ("build", "build:css")),
        ("composer.json", {}, ("build",)),
        ("Gemfile", {"BP_NODE_RUN_SCRIPTS": "build"}, ("build",)),
    ],
)
def test_a_ruby_apps_style_sheets_have_a_script_of_their_own(
    tmp_path: Path, mark: str, environ: dict[str, str], wanted: tuple[str, ...]
) -> None:
    (tmp_path / mark).touch()
    package(tmp_path, **{"build": "esbuild", "build:css": "sass", "test": "jest"})

    assert assets.to_build(tmp_path, Manifest.read(tmp_path), environ) == wanted


def test_a_ruby_app_with_style_sheets_alone_has_assets(tmp_path: Path) -> None:
    (tmp_path / "Gemfile").touch()
    package(tmp_path, **{"build:css": "sass"})

    assert isinstance(detected(tmp_path), Passed)
