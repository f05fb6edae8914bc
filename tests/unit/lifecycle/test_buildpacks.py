"""Modules found in their folders (GO-01, GO-13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuilderUnusable, BuildpackApiUnsupported, InvalidFile
from pybuild.lifecycle.buildpacks import Modules
from pybuild.spec.api import ApiVersion
from pybuild.spec.target import TargetSpec
from support.buildpacks import Folders

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "a [b] *")


def read(folders: Folders, *, look_for_build: bool = False) -> Modules:
    return Modules.read(
        LocalBuildEnv(),
        buildpacks_dir=str(folders.buildpacks),
        extensions_dir=str(folders.extensions),
        look_for_build=look_for_build,
    )


def test_a_module_is_found_by_its_escaped_id_and_version(folders: Folders) -> None:
    """GEN-18, GO-01"""
    folders.buildpack("acme/go", "1.2", api="0.12")

    found = read(folders).find("buildpack", "acme/go", "1.2")

    assert found.root == str(folders.buildpacks / "acme_go" / "1.2")
    assert (str(found), found.api) == ("buildpack acme/go@1.2", ApiVersion(0, 12))


def test_a_descriptor_is_parsed_once(folders: Folders) -> None:
    folders.buildpack("a")
    modules = read(folders)

    assert modules.find("buildpack", "a", "1") is modules.find("buildpack", "a", "1")


def test_a_missing_module_says_where_it_was_looked_for(folders: Folders) -> None:
    with pytest.raises(
        BuilderUnusable, match=r"extension acme/x@3.*extensions/acme_x/3/extension\.toml"
    ) as caught:
        read(folders).find("extension", "acme/x", "3")

    assert "order" in caught.value.hint


def test_a_buildpack_is_no_extension(folders: Folders) -> None:
    folders.buildpack("a")

    with pytest.raises(BuilderUnusable):
        read(folders).find("extension", "a", "1")


def test_a_descriptor_that_is_a_symlink_is_refused(folders: Folders) -> None:
    """S-29"""
    folder = folders.buildpacks / "a" / "1"
    folder.mkdir(parents=True)
    (folder / "buildpack.toml").symlink_to("/etc/hostname")

    with pytest.raises(InvalidFile, match=r"buildpack\.toml: symlink"):
        read(folders).find("buildpack", "a", "1")


def test_an_unknown_api_is_only_an_error_when_it_is_checked(folders: Folders) -> None:
    """GO-13"""
    folders.buildpack("a", api="0.3")
    module = read(folders).find("buildpack", "a", "1")

    assert module.api == ApiVersion(0, 3)
    with pytest.raises(BuildpackApiUnsupported, match="buildpack a@1"):
        module.check_api()


def test_the_programs_of_extensions_are_known(folders: Folders) -> None:
    """DET-08"""
    folders.extension("e", detect=None, files={"detect/plan.toml": '[[provides]]\nname = "x"\n'})
    folders.extension("f", generate=None)
    modules = read(folders)

    e, f = modules.find("extension", "e", "1"), modules.find("extension", "f", "1")

    assert (e.has_detect, e.has_generate, e.plan) == (False, True, b'[[provides]]\nname = "x"\n')
    assert (f.has_detect, f.has_generate, f.plan) == (True, False, b"")


def test_a_module_without_targets_is_for_linux_if_it_has_programs(folders: Folders) -> None:
    """BPT-13"""
    folders.buildpack("with")
    folders.buildpack("without", build=None)
    folders.buildpack("declares", build=None, more='[[targets]]\nos = "windows"\n')
    folders.extension("e", detect=None, generate=None)
    modules = read(folders, look_for_build=True)

    assert modules.find("buildpack", "with", "1").targets == (TargetSpec(os="linux"),)
    assert modules.find("buildpack", "without", "1").targets == ()
    assert modules.find("buildpack", "declares", "1").targets == (TargetSpec(os="windows"),)
    assert modules.find("extension", "e", "1").targets == ()
