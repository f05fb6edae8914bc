"""Builders and packages beside those of `pack`: equal input gives equal layers and labels, and each shows the other's alike.

Needs `PACK` (a pack program).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from support.registry import DebianRegistry

PACK = os.environ.get("PACK", "")
OURS = ("io.buildpacks.lifecycle.version", "io.buildpacks.lifecycle.apis")
AUTH = {"username": "builder", "password": "correct horse"}
FORMATS = ("human-readable", "json", "yaml", "toml")

pytestmark = [
    pytest.mark.peer,
    pytest.mark.docker,
    pytest.mark.skipif(not PACK, reason="PACK names no peer"),
]

BUILDER = """
description = "A <builder> & more"
[[buildpacks]]
uri = "meta.cnb"
[[buildpacks]]
id = "acme/three"
version = "3.0.0"
uri = "three"
[[extensions]]
uri = "ext"
[[order]]
[[order.group]]
id = "acme/meta"
[[order]]
[[order.group]]
id = "acme/three"
version = "3.0.0"
optional = true
[[order-extensions]]
[[order-extensions.group]]
id = "acme/ext"
version = "0.1.0"
[[system.pre.buildpacks]]
id = "acme/three"
version = "3.0.0"
optional = true
[build]
image = "{build}"
[[build.env]]
name = "X"
value = "y"
[run]
[[run.images]]
image = "{run}"
[lifecycle]
uri = "{lifecycle}"
"""


def said(*words: str, cwd: Path, **more: str) -> str:
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=300, check=False, cwd=cwd, env={**os.environ, **more}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def module(folder: Path, name: str, version: str, rest: str = "", *, kind: str = "buildpack") -> None:
    root = folder / name
    (root / "bin").mkdir(parents=True)
    (root / f"{kind}.toml").write_text(
        f'api = "0.10"\n[{kind}]\nid = "acme/{name}"\nversion = "{version}"\nname = "The {name}"\n'
        f'homepage = "https://acme.example/?{name}&x"\n{rest}'
    )
    for program in () if "[[order]]" in rest else ("detect", "build" if kind == "buildpack" else "generate"):
        (root / "bin" / program).write_text("#!/bin/sh\nexit 0\n")
        (root / "bin" / program).chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, lifecycle_archive: Path) -> Path:
    """builder.toml, package.toml, and all that they name."""
    said(sys.executable, "-m", "pybuild", "doctor", "--prepare", "--quiet", cwd=tmp_path)
    module(tmp_path, "one", "1.0.0", '[[targets]]\nos = "linux"\narch = "amd64"\n')
    module(tmp_path, "two", "2.0.0", '[[stacks]]\nid = "*"\n')
    module(tmp_path, "three", "3.0.0")
    module(tmp_path, "ext", "0.1.0", kind="extension")
    groups = "".join(
        f'[[order.group]]\nid = "acme/{name}"\nversion = "{version}"\n'
        for name, version in (("one", "1.0.0"), ("two", "2.0.0"))
    )
    module(tmp_path, "meta", "9.0.0", f"[[order]]\n{groups}optional = true\n")
    (tmp_path / "package.toml").write_text(
        '[buildpack]\nuri = "meta"\n[[dependencies]]\nuri = "one"\n[[dependencies]]\nuri = "two"\n'
    )
    (tmp_path / "builder.toml").write_text(
        BUILDER.format(
            build="pybuild/build:debian-12", run="pybuild/run:debian-12", lifecycle=lifecycle_archive
        )
    )
    return tmp_path


@pytest.fixture
def names(
    engine: docker.APIClient, test_run: str, debian_registry: DebianRegistry
) -> Iterator[tuple[str, str]]:
    """Names for what we make and what pack makes."""
    made = (f"{debian_registry.host}/{test_run}/ours:1", f"{debian_registry.host}/{test_run}/theirs:1")
    yield made
    for name in made:
        subprocess.run(["docker", "rmi", "-f", name], capture_output=True, check=False)


def image(engine: docker.APIClient, name: str) -> tuple[Any, dict[str, str]]:
    """An image's layers, and its labels as if pack had made it."""
    found = engine.inspect_image(name)
    labels = {key: value for key, value in found["Config"]["Labels"].items() if key not in OURS}
    if text := labels.get("io.buildpacks.builder.metadata"):
        labels["io.buildpacks.builder.metadata"] = {**json.loads(text), "createdBy": None}
    return found["RootFS"]["Layers"], labels


def test_a_builder_has_the_layers_of_packs_and_is_shown_alike(
    folder: Path, engine: docker.APIClient, names: tuple[str, str], debian_registry: DebianRegistry
) -> None:
    """BTM-01 to BTM-08, GO-92 to GO-94, T1-27, T2-31 to T2-33."""
    environ = {"PACK_HOME": str(folder / "pack"), "DOCKER_CONFIG": str(debian_registry.config)}
    ours, theirs = names
    pybuild = (sys.executable, "-m", "pybuild")
    said(*pybuild, "buildpack", "package", "meta.cnb", "-c", "package.toml", "-f", "file", cwd=folder)

    for flatten in ((), ("--flatten", "acme/one@1.0.0,acme/three@3.0.0")):
        words = ("-c", "builder.toml", "--pull-policy", "never", "--label", "team=<web>", *flatten)
        said(*pybuild, "builder", "create", ours, *words, cwd=folder)
        said(PACK, "builder", "create", theirs, *words, cwd=folder, **environ)
        assert image(engine, ours) == image(engine, theirs)

    repository, _, tag = ours.rpartition(":")
    pushed = list(engine.push(repository, tag, auth_config=AUTH, stream=True, decode=True))
    assert not any("error" in step for step in pushed), pushed
    for form in FORMATS:
        words = ("builder", "inspect", ours, "--output", form)
        mine, packs = said(*pybuild, *words, cwd=folder, **environ), said(PACK, *words, cwd=folder, **environ)
        if form == "human-readable":
            assert mine == packs
        else:
            assert read(mine, form) == read(packs, form)


def read(text: str, form: str) -> Any:
    import tomllib

    import yaml

    return {"json": json.loads, "yaml": yaml.safe_load, "toml": tomllib.loads}[form](text)


def test_a_package_is_the_image_of_packs(
    folder: Path, engine: docker.APIClient, names: tuple[str, str]
) -> None:
    """PKG-01 to PKG-08, T2-34 to T2-39."""
    environ = {"PACK_HOME": str(folder / "pack")}
    ours, theirs = names
    pybuild = (sys.executable, "-m", "pybuild")

    for kind, words in (
        ("buildpack", ("-p", "one")),
        ("extension", ("-p", "ext")),
        ("buildpack", ("-c", "package.toml")),
    ):
        said(*pybuild, kind, "package", ours, *words, "--pull-policy", "never", cwd=folder)
        said(PACK, kind, "package", theirs, *words, "--pull-policy", "never", cwd=folder, **environ)
        mine, packs = image(engine, ours), image(engine, theirs)
        # pack adds several buildpacks in any order that comes.
        assert (sorted(mine[0]), mine[1]) == (sorted(packs[0]), packs[1])
        if len(mine[0]) == 1:
            assert engine.inspect_image(ours)["Id"] == engine.inspect_image(theirs)["Id"]
        shown = [
            said(*program, kind, "inspect", ours, cwd=folder, **environ).splitlines()
            for program in (pybuild, (PACK,))
        ]
        assert [line.rstrip() for line in shown[0]] == [line.rstrip() for line in shown[1]]

    said(*pybuild, "buildpack", "package", "a.cnb", "-c", "package.toml", "-f", "file", cwd=folder)
    said(PACK, "buildpack", "package", "b.cnb", "-c", "package.toml", "-f", "file", cwd=folder, **environ)
    texts = {
        tuple(
            line.rstrip()
            for line in said(*program, "buildpack", "inspect", name, cwd=folder, **environ).splitlines()[1:]
        )
        for program in (pybuild, (PACK,))
        for name in ("a.cnb", "b.cnb")
    }
    assert len(texts) == 1
