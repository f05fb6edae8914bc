"""`lifecycle confirm`: a group and a plan that something but the detector wrote are found out (DET-04, DET-12)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from pybuild.cli.phases import programs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Confirm = Callable[..., tuple[int, str]]

_ORDER = """
[[order]]
[[order.group]]
id = "acme/meta"
version = "1"
[[order]]
[[order.group]]
id = "acme/node"
version = "2"
[[order.group]]
id = "acme/proxy"
version = "1"
optional = true
"""
_META = """
[[order]]
[[order.group]]
id = "acme/go"
version = "1"
[[order.group]]
id = "acme/proxy"
version = "1"
"""
_SYSTEM = '[[system.pre.buildpacks]]\nid = "acme/scan"\nversion = "1"\n'


def _member(name: str, version: str = "1", api: str = "0.10", more: str = "") -> str:
    return f'[[group]]\nid = "acme/{name}"\nversion = "{version}"\napi = "{api}"\n{more}'


def _provider(name: str) -> str:
    return f'[[entries]]\n[[entries.providers]]\nid = "acme/{name}"\nversion = "1"\n[[entries.requires]]\nname = "x"\n'


@pytest.fixture
def confirm(tmp_path: Path) -> Confirm:
    """Confirms a group.toml and a plan.toml for a small order, Platform API 0.13 if not told otherwise."""
    for name, version, text in (
        ("go", "1", ""),
        ("node", "2", ""),
        ("proxy", "1", ""),
        ("scan", "1", ""),
        ("meta", "1", _META),
    ):
        folder = tmp_path / f"buildpacks/acme_{name}/{version}"
        folder.mkdir(parents=True)
        (folder / "buildpack.toml").write_text(
            f'api = "0.10"\n[buildpack]\nid = "acme/{name}"\nversion = "{version}"\n{text}'
        )
    (tmp_path / "order.toml").write_text(_ORDER)
    (tmp_path / "system.toml").write_text(_SYSTEM)
    (tmp_path / "control").mkdir()

    def call(group: str, plan: str = "", api: str = "0.13") -> tuple[int, str]:
        (tmp_path / "group.toml").write_text(group)
        (tmp_path / "plan.toml").write_text(plan)
        words = ["lifecycle", "confirm"]
        for flag, place in {
            "order": "order.toml",
            "system": "system.toml",
            "buildpacks": "buildpacks",
            "extensions": "extensions",
            "group": "group.toml",
            "plan": "plan.toml",
            "to": "control",
        }.items():
            words.append(f"-{flag}={tmp_path / place}")
        told = io.BytesIO()
        code = programs.run(words, {"CNB_PLATFORM_API": api}, told)
        return code, told.getvalue().decode()

    return call


@pytest.mark.parametrize(
    "group",
    [
        _member("go") + _member("proxy"),
        _member("node", "2") + _member("proxy"),
        _member("node", "2"),
    ],
)
def test_every_group_that_the_order_stands_for_is_handed_on(
    confirm: Confirm, tmp_path: Path, group: str
) -> None:
    code, said = confirm(group, "")

    assert (code, said) == (0, f"{group.count('[[group]]')} buildpacks, as the order has them\n")
    written = (tmp_path / "control/group.toml").read_text()
    assert written.replace("  ", "").replace("\n\n", "\n") == group


@pytest.mark.parametrize(
    "group",
    [
        "",
        _member("proxy"),
        _member("go"),
        _member("go") + _member("proxy", "2"),
        _member("proxy") + _member("go"),
        _member("go") + _member("proxy") + _member("scan"),
        _member("go") + _member("node", "2") + _member("proxy"),
        _member("go", api="0.7") + _member("proxy"),
        _member("go", more='homepage = "x"\n') + _member("proxy"),
        _member("meta"),
        _member("node", "2") + _member("node", "2"),
        "[[group-extensions]]" + _member("node", "2").removeprefix("[[group]]"),
    ],
)
def test_any_other_group_ends_with_22_and_nothing_is_handed_on(
    confirm: Confirm, tmp_path: Path, group: str
) -> None:
    code, said = confirm(group, "")

    assert code == 22
    assert "is none that the order stands for" in said
    assert list((tmp_path / "control").iterdir()) == []


def test_a_plan_names_providers_of_the_group_alone(confirm: Confirm, tmp_path: Path) -> None:
    group = _member("node", "2") + _member("proxy")

    good, _ = confirm(group, _provider("proxy"))
    (tmp_path / "control/plan.toml").unlink()
    bad, said = confirm(group, _provider("go"))

    assert (good, bad) == (0, 22)
    assert "the plan names acme/go@1 as a provider" in said
    assert not (tmp_path / "control/plan.toml").exists()


def test_system_buildpacks_belong_to_the_group_since_platform_api_0_15(confirm: Confirm) -> None:
    group = _member("scan") + _member("node", "2")

    assert confirm(group, "")[0] == 22
    assert confirm(group, "", api="0.15")[0] == 0
    assert confirm(_member("node", "2"), "", api="0.15")[0] == 22


@pytest.mark.parametrize("text", ["nonsense", "[[group]]\nid = 3\n"])
def test_files_that_are_none_end_with_an_error_of_one_line(confirm: Confirm, text: str) -> None:
    code, said = confirm(text, "")

    assert code == 1
    assert "Traceback" not in said


def test_places_have_to_be_named() -> None:
    told = io.BytesIO()

    code = programs.run(["lifecycle", "confirm", "-to", "/x"], {"CNB_PLATFORM_API": "0.13"}, told)

    assert code == 3
    assert b"-group, -plan and -to are needed" in told.getvalue()
