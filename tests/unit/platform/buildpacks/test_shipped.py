"""What comes with pybuild: buildpacks, recipes, and libcnb as buildpacks carry it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import BuilderUnusable
from pybuild.platform.builders.recipe import Recipe
from pybuild.platform.buildpacks.shipped import libcnb_files, shipped

if TYPE_CHECKING:
    from pathlib import Path


def test_the_folders_that_ship_are_found() -> None:
    assert (shipped("buildpacks") / "procfile/buildpack.toml").is_file()
    assert (shipped("builder") / "builder.toml").is_file()


def test_a_folder_that_does_not_ship_says_how_to_repair_it() -> None:
    with pytest.raises(BuilderUnusable, match="came without its folder 'nothing'") as caught:
        shipped("nothing")

    assert "pip install" in caught.value.hint


def test_libcnb_runs_from_its_copy_alone(tmp_path: Path) -> None:
    for name, content in libcnb_files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    modules = [name[:-3].replace("/", ".") for name in libcnb_files() if "/libcnb/" in name]
    imports = "; ".join(f"import {module.removesuffix('.__init__')}" for module in modules)
    alone = "sys.path[:] = [path for path in sys.path if 'site-packages' not in path]"
    program = f"import sys; {alone}; sys.path.insert(0, {str(tmp_path)!r}); {imports}"

    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert not any("/platform/" in name or "/stores/" in name for name in libcnb_files())


def test_the_recipe_gives_what_every_platform_expects_of_base_images() -> None:
    """IMG-01 to IMG-06."""
    file = shipped("builder") / "base/debian-12.toml"
    recipe = Recipe.read(file.read_bytes(), file=str(file))

    run, build = recipe.labels(recipe.run, "2026-01-02"), recipe.labels(recipe.build, "2026-01-02")

    assert run["io.buildpacks.base.distro.name"] == build["io.buildpacks.base.distro.name"] == "debian"
    assert run["io.buildpacks.base.distro.version"] == build["io.buildpacks.base.distro.version"] == "12"
    assert {
        f"io.buildpacks.base.{key}" for key in ("maintainer", "homepage", "released", "description")
    } <= set(run)
    assert run["io.buildpacks.base.id"] == run["io.buildpacks.stack.id"] == recipe.base_id
    assert re.fullmatch(r"[A-Za-z0-9./-]+", recipe.base_id)
    assert run["io.buildpacks.rebasable"] == "true"
    assert recipe.environ(recipe.build)["CNB_USER_ID"] == str(recipe.build.uid)
    assert recipe.environ(recipe.build)["CNB_GROUP_ID"] == str(recipe.gid)
    assert "PATH" in recipe.environ(recipe.run)
    assert recipe.run.uid != recipe.build.uid
    assert all("deb.debian.org" in line for line in recipe.sources)
