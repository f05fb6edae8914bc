"""Targets and whether they fit: BPT-12, BPT-14, AMB-03."""

from __future__ import annotations

import pytest

from pybuild.spec import toml
from pybuild.spec.target import Distro, Target, TargetSpec, environ, matches

DEBIAN = Target(os="linux", arch="arm64", variant="v8", distro=Distro(name="debian", version="12"))


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        (TargetSpec(), True),
        (TargetSpec(os="linux"), True),
        (TargetSpec(os="windows"), False),
        (TargetSpec(os="linux", arch="arm64", variant="v8"), True),
        (TargetSpec(arch="amd64"), False),
        (TargetSpec(variant="v7"), False),
        (TargetSpec(distros=(Distro(name="debian", version="12"),)), True),
        (TargetSpec(distros=(Distro(name="debian"),)), True),
        (TargetSpec(distros=(Distro(version="12"),)), True),
        (TargetSpec(distros=(Distro(name="debian", version="11"),)), False),
        (TargetSpec(distros=(Distro(name="ubuntu"), Distro(name="debian"))), True),
        (TargetSpec(distros=(Distro(name="ubuntu"),)), False),
    ],
)
def test_a_declared_target_fits_when_all_it_says_holds(spec: TargetSpec, fits: bool) -> None:
    """BPT-12, BPT-14."""
    assert matches(spec, DEBIAN) is fits


def test_what_an_image_leaves_open_fits_except_its_distribution() -> None:
    assert matches(TargetSpec(os="linux", arch="arm", variant="v7"), Target())
    assert not matches(TargetSpec(distros=(Distro(name="debian"),)), Target(os="linux"))


@pytest.mark.parametrize("key", ["variant", "arch-variant"])
def test_both_spellings_of_the_variant_are_read(key: str) -> None:
    """AMB-03."""
    text = f'os = "linux"\narch = "arm64"\n{key} = "v8"\n[distro]\nname = "debian"\nversion = "12"\n'

    assert Target.read(toml.load(text.encode(), file="f")) == DEBIAN
    assert TargetSpec.read(toml.load(text.encode(), file="f")).variant == "v8"


def test_variables_say_what_is_known() -> None:
    assert environ(DEBIAN) == {
        "CNB_TARGET_OS": "linux",
        "CNB_TARGET_ARCH": "arm64",
        "CNB_TARGET_ARCH_VARIANT": "v8",
        "CNB_TARGET_DISTRO_NAME": "debian",
        "CNB_TARGET_DISTRO_VERSION": "12",
    }
    assert environ(Target(os="linux", arch="amd64")) == {"CNB_TARGET_OS": "linux", "CNB_TARGET_ARCH": "amd64"}
