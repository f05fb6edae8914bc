"""The build environments that the contract holds for: this machine, and containers with GNU's tools and with busybox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.buildenv.local import LocalBuildEnv
from support.engine import spec_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.buildenv.api import BuildEnv


@pytest.fixture(
    scope="module",
    params=[
        "local",
        pytest.param("gnu", marks=pytest.mark.docker),
        pytest.param("busybox", marks=pytest.mark.docker),
    ],
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def env(kind: str, request: pytest.FixtureRequest) -> Iterator[BuildEnv]:
    if kind == "local":
        yield LocalBuildEnv()
        return
    request.getfixturevalue("no_leftovers")
    image = request.getfixturevalue(f"{kind}_image")
    spec = spec_for(image, request.getfixturevalue("test_run"))
    with ContainerBuildEnv.create(request.getfixturevalue("engine"), spec) as made:
        yield made
