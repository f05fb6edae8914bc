"""The build phase in every build environment: this machine, a container with GNU tools, one with busybox."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuildError, BuildpackFailed
from pybuild.lifecycle.build import BuildInputs, Built, build
from pybuild.lifecycle.buildpacks import Modules
from pybuild.lifecycle.scripts import run_lines, write_file
from pybuild.spec.api import ApiVersion
from pybuild.spec.environ import Given
from pybuild.spec.order import Group, GroupElement
from pybuild.spec.plan import Plan, PlanEntry, Provider, Require
from support.engine import spec_for
from support.pace import allowed

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


def test_buildpacks_run_one_after_the_other_and_see_what_earlier_ones_left(place: Place) -> None:
    """BUI-01…BUI-06, BUI-13, ENV-01."""
    place.buildpack(
        "acme/a",
        r"""
        mkdir -p l/bin l/env gone; printf '[types]\nbuild = true\nlaunch = true' > l.toml; : > gone.toml
        printf 'a\377\nb' > l/env/V; ln -s V l/env/LINK; : > l/env/.append
        echo '{}' > l.sbom.cdx.json
        printf '[[unmet]]\nname = "node"' > build.toml
        """,
    )
    place.buildpack("acme/b", 'printf "%s|%s|%s|%s" "$V" "$LINK" "$PATH" "$U" > seen; cat "$3" > plan')
    providers = (Provider(id="acme/a", version="1.0"), Provider(id="acme/b", version="1.0"))
    plan = Plan(
        entries=tuple(PlanEntry(providers=providers, requires=(Require(name=it),)) for it in ("go", "node"))
    )

    built = place.build(plan)

    path = f"{place.root}/layers/acme_a/l/bin:{PATH}".encode()
    assert place.read("acme_b/*") == {
        "acme_b/seen": b"a\xff\nb|a\xff\nb|" + path + b"|user",
        "acme_b/plan": b'[[entries]]\n  name = "node"\n',
    }
    assert place.read("sbom/launch/acme_a/l/*") == {"sbom/launch/acme_a/l/sbom.cdx.json": b"{}\n"}
    assert place.read("config/*") == {"config/metadata.toml": built.metadata_toml}
    assert place.env.script(f"cd {place.root}; ls layers/acme_a | grep -c ignore; ls tmp || true") == b"1\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("mkfifo l.toml", r"l\.toml: cannot be read: not a regular file"),
        ("ln -s /etc/passwd l.toml", r"l\.toml: cannot be read: symlink"),
        ("ln -s /etc l; printf '[types]\nlaunch = true' > l.toml", "/l: .*symbolic link"),
        ("mkfifo launch.sbom.cdx.json", r"launch\.sbom\.cdx\.json: .*regular file"),
        ("mkdir l l.ignore; touch l.ignore/f l.toml", r"l\.ignore, but that exists"),
        ("cd ..; rm -r \"$1\"; ln -s /etc \"$1\"", "acme_a: .*symbolic link"),
    ],
)  # fmt: skip
def test_hostile_outputs_never_block_and_are_refused(place: Place, script: str, message: str) -> None:
    """S-29, S-30, GO-10."""
    place.buildpack("acme/a", script)

    with pytest.raises(BuildError, match=message):
        place.build()


def test_a_failing_buildpack_is_named(place: Place) -> None:
    place.buildpack("acme/a", "kill -9 $$")

    with pytest.raises(BuildpackFailed, match=r"bin/build of acme/a@1\.0 was killed by SIGKILL"):
        place.build()


def test_three_tiny_buildpacks_take_far_less_than_a_second(place: Place) -> None:
    for name in "abc":
        place.buildpack(name, "mkdir -p l/bin; printf '[types]\nbuild = true\ncache = true' > l.toml")
    start = time.monotonic()

    built = place.build()

    assert time.monotonic() - start < allowed(2)
    assert [it.layers[0].has_directory for it in built.buildpacks] == [True, True, True]
