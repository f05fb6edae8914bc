"""order.toml, system.toml, group.toml: ORD-01 to ORD-03, SYT-01, GRP-01 to GRP-03, GO-53."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.spec.order import Group, GroupElement, ModuleRef, OrderFile, System

ORDER = b"""[[order]]

  [[order.group]]
    id = "acme/go"
    version = "1"
    optional = true

  [[order.group]]
    id = "acme/web"

[[order-extensions]]

  [[order-extensions.group]]
    id = "acme/apt"
    version = "2"
"""


def test_an_order_reads_and_writes_the_same() -> None:
    """ORD-01."""
    order = OrderFile.read(ORDER, "order.toml")

    assert order.order == (
        (ModuleRef(id="acme/go", version="1", optional=True), ModuleRef(id="acme/web", version="")),
    )
    assert order.write() == ORDER


def test_every_extension_is_optional() -> None:
    """ORD-02."""
    order = OrderFile.read(ORDER, "order.toml")

    assert order.order_extensions == ((ModuleRef(id="acme/apt", version="2", optional=True),),)


def test_an_empty_order_reads_and_writes_as_nothing() -> None:
    assert OrderFile.read(b"", "order.toml") == OrderFile()
    assert OrderFile().write() == b""


def test_system_buildpacks_come_before_and_after() -> None:
    """SYT-01."""
    text = b'[[system.pre.buildpacks]]\nid = "a"\nversion = "1"\n[[system.post.buildpacks]]\nid = "b"\nversion = "2"\n'

    system = System.read(text, "system.toml")

    assert (system.pre, system.post) == ((ModuleRef(id="a", version="1"),), (ModuleRef(id="b", version="2"),))
    assert System.read(b"", "system.toml") == System()


def test_a_group_reads_and_writes_the_same() -> None:
    """GRP-01, GRP-02."""
    group = Group(
        buildpacks=(
            GroupElement(id="a", version="1", api="0.10", homepage="https://a"),
            GroupElement(id="b", version="2", api="0.9", optional=True),
        ),
        extensions=(GroupElement(id="e", version="3", api="0.10", optional=True, extension=True),),
    )

    assert Group.read(group.write(), "group.toml") == group
    assert str(group.buildpacks[0]) == "a@1"


@pytest.mark.parametrize(
    "text",
    [
        '[[group]]\nid = ".."\nversion = "1"\n',
        '[[group]]\nid = "a"\nversion = "../.."\n',
        '[[group]]\nid = "a\\nb"\nversion = "1"\n',
        '[[group-extensions]]\nid = ""\n',
    ],
)
def test_a_name_that_would_leave_its_folder_is_refused(text: str) -> None:
    """S-28."""
    with pytest.raises(InvalidFile, match=r"group.toml: group[a-z-]*\[0\]\.(id|version): "):
        Group.read(text.encode(), "group.toml")
