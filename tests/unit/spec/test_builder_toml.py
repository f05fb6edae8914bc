"""builder.toml: every key, and each wrong one with its place (BTM-06 to BTM-08)."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.spec.builder_toml import BuilderToml, ModuleSource
from pybuild.spec.order import ModuleRef, System
from pybuild.spec.run_image import RunImageName
from pybuild.spec.target import TargetSpec

IMAGES = '[build]\nimage = "b"\n[run]\n[[run.images]]\nimage = "r"\n'
WHOLE = """
description = "All of it"

[[buildpacks]]
uri = "one"
id = "a/one"
version = "1.0.0"

[[buildpacks]]
image = "acme/two"

[[extensions]]
uri = "docker://acme/ext"

[[order]]
[[order.group]]
id = "a/one"
optional = true
exec-env = ["test"]

[[order-extensions]]
[[order-extensions.group]]
id = "e"
version = "1"

[build]
image = "b"
[[build.env]]
name = "LIST"
value = "x"
suffix = "append"
delim = ":"
[[build.env]]
name = "PLAIN"
value = "y"

[run]
[[run.images]]
image = "r"
mirrors = ["m"]
[[run.images]]
image = "other"

[lifecycle]
uri = "lifecycle.tgz"

[[targets]]
os = "linux"
arch = "arm64"

[system]
[[system.pre.buildpacks]]
id = "s"
version = "1"
"""


def read(text: str) -> BuilderToml:
    return BuilderToml.read(text.encode(), "builder.toml")


def test_every_key_is_read() -> None:
    """BTM-06."""
    found = read(WHOLE)

    assert (found.description, found.build_image, found.lifecycle_uri) == ("All of it", "b", "lifecycle.tgz")
    assert found.buildpacks == (
        ModuleSource(uri="one", id="a/one", version="1.0.0"),
        ModuleSource(uri="docker://acme/two"),
    )
    assert found.extensions == (ModuleSource(uri="docker://acme/ext"),)
    assert found.order == ((ModuleRef(id="a/one", version="", optional=True, exec_envs=("test",)),),)
    assert found.order_extensions == ((ModuleRef(id="e", version="1"),),)
    assert found.run_images == (RunImageName(image="r", mirrors=("m",)), RunImageName(image="other"))
    assert found.targets == (TargetSpec(os="linux", arch="arm64"),)
    assert found.system == System(pre=(ModuleRef(id="s", version="1"),))
    assert found.build_env_files() == {"LIST.delim": b":", "LIST.append": b"x", "PLAIN": b"y"}
    assert found.warnings == ()


def test_a_stack_still_names_the_images() -> None:
    """BTM-07."""
    found = read('[stack]\nid = "s"\nbuild-image = "b"\nrun-image = "r"\nrun-image-mirrors = ["m"]\n')

    assert (found.stack_id, found.build_image) == ("s", "b")
    assert found.run_images == (RunImageName(image="r", mirrors=("m",)),)
    assert "the order is empty" in found.warnings[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "build.image: expected the image"),
        ('[build]\nimage = "b"\n', "run.images: expected one run image"),
        ('[build]\nimage = "b"\n[run]\n[[run.images]]\nmirrors = []\n', r"run.images\[0\].image"),
        (IMAGES + '[stack]\nbuild-image = "c"\n', "build.image: 'b' is not stack.build-image, 'c'"),
        (IMAGES + '[stack]\nrun-image = "c"\n', r"run.images\[0\].image: 'r' is not stack.run-image, 'c'"),
        (IMAGES + '[[images]]\nimage = "x"\n', "images: unknown key; expected one of description"),
        (IMAGES + "[[buildpacks]]\nurl = 'x'\n", r"buildpacks\[0\].url: unknown key"),
        (IMAGES + "[[buildpacks]]\nid = 'x'\n", r"buildpacks\[0\].uri: expected one of"),
        (IMAGES + "[[buildpacks]]\nuri = 'x'\nimage = 'y'\n", r"buildpacks\[0\].uri: expected one of"),
        (IMAGES + "[lifecycle]\nuri = 'x'\nversion = '1'\n", "lifecycle: expected uri or version"),
        (IMAGES + "[[order]]\n[[order.group]]\nversion = '1'\n", r"order\[0\].group\[0\].id"),
        (IMAGES + "[[order]]\n[[order.groups]]\nid = 'x'\n", r"order\[0\].groups: unknown key"),
        (IMAGES + "[[build.env]]\nname = 'X'\nsuffix = 'add'\n", r"build.env\[0\].suffix: 'add'"),
        (IMAGES + "[[build.env]]\nname = 'A.B'\n", r"build.env\[0\].name: 'A.B'"),
        (
            IMAGES + "[[build.env]]\nname = 'X'\nsuffix = 'append'\n",
            r"build.env\[0\].delim: the suffix append",
        ),
        (IMAGES + "[[targets]]\nsystem = 'linux'\n", r"targets\[0\].system: unknown key"),
        (IMAGES + "[system.before]\n", "system.before: unknown key"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, message: str) -> None:
    """BTM-06 to BTM-08."""
    with pytest.raises(InvalidFile, match=f"builder.toml: {message}"):
        read(text)
