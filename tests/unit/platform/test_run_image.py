"""Which run image: GEN-15, GEN-16, S-48; and when an image is pulled: T1-11."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.errors import BuilderUnusable
from pybuild.oci.reference import Reference
from pybuild.platform.pull import PullRefused, is_ours
from pybuild.platform.run_image import candidates, choose, mirrors_of
from pybuild.spec.run_image import RunImageName
from pybuild.stores.api import StoredImage

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = (
    RunImageName(image="acme/run", mirrors=("ghcr.io/acme/run", "reg.example.com/run")),
    RunImageName(image="acme/other", mirrors=("ghcr.io/acme/other",)),
)
STORED = StoredImage(id="sha256:x", config={}, diff_ids=(), labels={})


def engine_with(*names: str) -> Callable[[str], StoredImage]:
    def get(name: str) -> StoredImage:
        if name not in names:
            raise PullRefused(f"no {name}")
        return STORED

    return get


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("docker.io", ("acme/run", "ghcr.io/acme/run", "reg.example.com/run")),
        ("ghcr.io", ("ghcr.io/acme/run", "acme/run", "reg.example.com/run")),
        ("elsewhere.io", ("acme/run", "ghcr.io/acme/run", "reg.example.com/run")),
    ],
)
def test_the_app_images_registry_comes_first(registry: str, expected: tuple[str, ...]) -> None:
    """GEN-15, S-48: none but those that the builder names."""
    assert candidates(IMAGES, registry=registry) == expected


def test_the_first_that_can_be_had_is_taken() -> None:
    """GEN-15."""
    assert choose(["a", "b", "c"], engine_with("b", "c")) == ("b", STORED)


def test_when_none_can_be_had_the_first_reason_is_told() -> None:
    with pytest.raises(PullRefused, match="no a"):
        choose(["a", "b"], engine_with())
    with pytest.raises(BuilderUnusable, match="names no run image"):
        choose(candidates((), registry="docker.io"), engine_with())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("index.docker.io/acme/run:latest", IMAGES[0]),
        ("reg.example.com/run", IMAGES[0]),
        ("ghcr.io/acme/other", IMAGES[1]),
        ("unknown/image", IMAGES[0]),
    ],
)
def test_the_app_image_remembers_the_mirrors_of_its_run_image(name: str, expected: RunImageName) -> None:
    """GEN-16."""
    assert mirrors_of(name, IMAGES) == expected


def test_a_run_image_that_no_builder_knows_has_no_mirrors() -> None:
    assert mirrors_of("my/run", ()) == RunImageName(image="my/run")


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("pybuild/run:debian-12", True),
        ("docker.io/pybuild/builder", True),
        ("ghcr.io/pybuild/run", False),
        ("mypybuild/run", False),
    ],
)
def test_images_made_here_are_never_asked_of_a_registry(name: str, ours: bool) -> None:
    """S-48: a stranger could have taken that name there."""
    assert is_ours(Reference.parse(name)) is ours
