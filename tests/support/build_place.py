"""A small build in every build environment: this machine, a container with GNU tools, one with busybox."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.lifecycle.build import BuildInputs, Built, build
from pybuild.lifecycle.buildpacks import Modules
from pybuild.lifecycle.scripts import run_lines, write_file
from pybuild.spec.api import ApiVersion
from pybuild.spec.environ import Given
from pybuild.spec.order import Group, GroupElement
from pybuild.spec.plan import Plan
from support.engine import spec_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pybuild.buildenv.api import BuildEnv

PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(slots=True)
class Place:
    """A build environment, a folder in it, and the buildpacks there."""

    env: BuildEnv
    root: str
    group: list[GroupElement] = field(default_factory=list)

    def buildpack(self, id: str, script: str) -> None:  # noqa: A002
        """Add one to the group; its bin/build runs `script` in its layers directory."""
        root = f"{self.root}/buildpacks/{id.replace('/', '_')}/1.0"
        about = f'api = "0.10"\n[buildpack]\nid = "{id}"\nversion = "1.0"\n'
        lines = [
            f"mkdir -p {root}/bin {self.root}/layers {self.root}/app {self.root}/tmp",
            *write_file(
                f"{root}/buildpack.toml", about + 'sbom-formats = ["application/vnd.cyclonedx+json"]\n'
            ),
            *write_file(f"{root}/bin/build", f'#!/bin/sh\ncd "$1"\n{script}\n'),
            f"chmod 755 {root}/bin/build",
        ]
        run_lines(self.env, lines)
        self.group.append(GroupElement(id=id, version="1.0", api="0.10"))

    def build(self, plan: Plan | None = None) -> Built:
        inputs = BuildInputs(
            group=Group(buildpacks=tuple(self.group)),
            plan=plan or Plan(),
            modules=Modules.read(self.env, buildpacks_dir=f"{self.root}/buildpacks"),
            platform_api=ApiVersion(0, 12),
            given=Given(
                platform_dir=f"{self.root}/platform", user={"U": "user"}, target={"CNB_TARGET_OS": "linux"}
            ),
            environ={"PATH": PATH},
            app_dir=f"{self.root}/app",
            layers_dir=f"{self.root}/layers",
            tmp_dir=f"{self.root}/tmp",
        )
        return build(self.env, inputs)

    def read(self, pattern: str) -> dict[str, bytes]:
        """Contents of files below the layers directory."""
        found = self.env.read_files([f"{self.root}/layers/{pattern}"])
        start = len(f"{self.root}/layers/")
        return {path[start:]: content for path, content in found.items() if isinstance(content, bytes)}


@pytest.fixture(
    params=[
        "local",
        pytest.param("gnu", marks=pytest.mark.docker),
        pytest.param("busybox", marks=pytest.mark.docker),
    ],
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "local":
        yield Place(env=LocalBuildEnv(), root=str(tmp_path))
        return
    request.getfixturevalue("no_leftovers")
    spec = spec_for(request.getfixturevalue(f"{request.param}_image"), request.getfixturevalue("test_run"))
    with ContainerBuildEnv.create(request.getfixturevalue("engine"), spec) as env:
        yield Place(env=env, root="/workspace/place")
