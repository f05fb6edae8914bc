"""Detection and generation in every build environment: this machine, a container with GNU tools, one with busybox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import DetectionFailed
from pybuild.lifecycle.detect import Detected, DetectInputs, detect
from pybuild.lifecycle.detect_trail import GroupTrail
from pybuild.lifecycle.generate import GenerateInputs, generate
from pybuild.spec.analyzed import Analyzed
from pybuild.spec.api import ApiVersion
from pybuild.spec.environ import Given
from pybuild.spec.order import ModuleRef, OrderFile
from pybuild.spec.target import Target
from support.buildpacks import FAIL, PATH, Folders, plan

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.buildenv.api import BuildEnv


@dataclass(slots=True)
class Place:
    """A build environment, and the folders to fill before they are sent into it below `root`."""

    env: BuildEnv
    root: str
    folders: Folders

    def inputs(self, *groups: tuple[ModuleRef, ...], extensions: tuple[ModuleRef, ...] = ()) -> DetectInputs:
        with LocalBuildEnv().pack(str(self.folders.root)) as chunks:
            self.env.unpack(self.root, chunks)
        base = f"{self.root}/{self.folders.root.name}"
        return DetectInputs(
            order=OrderFile(order=groups, order_extensions=(extensions,) if extensions else ()),
            platform_api=ApiVersion(0, 13),
            target=Target(os="linux", arch="amd64"),
            given=Given(platform_dir=f"{base}/platform", user={"BP_X": "a\nb"}, target={}),
            environ={"PATH": PATH},
            app_dir=f"{base}/app",
            buildpacks_dir=f"{base}/buildpacks",
            extensions_dir=f"{base}/extensions",
        )

    def detect(self, *groups: tuple[ModuleRef, ...]) -> Detected:
        return detect(self.env, self.inputs(*groups))


@pytest.fixture
def place(kind: str, env: BuildEnv, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    root = str(tmp_path / "place") if kind == "local" else f"/workspace/{abs(hash(request.node.nodeid))}"
    env.script(f"mkdir {root}")
    return Place(env=env, root=root, folders=Folders(tmp_path / "sent"))


def test_the_first_group_whose_plans_hold_is_chosen(place: Place) -> None:
    a = place.folders.buildpack("acme/a", detect=plan(provides=["x"]))
    b = place.folders.buildpack("b", detect=plan(requires=["x"]))
    c = place.folders.buildpack("c", detect=FAIL, optional=True)

    detected = place.detect((a,), (a, c, b))

    assert [str(element) for element in detected.group.buildpacks] == ["acme/a@1", "b@1"]
    assert [entry.providers[0].id for entry in detected.plan.entries] == ["acme/a"]
    assert [group.passed for group in detected.trail] == [False, True]


def test_programs_that_break_are_told_of(place: Place) -> None:
    """DET-05, S-29"""
    a = place.folders.buildpack("a", detect="echo said; exit 9")
    b = place.folders.buildpack("b", detect=None)
    c = place.folders.buildpack("c", detect="rm $2; ln -s /etc/passwd $2")
    d = place.folders.buildpack("d", detect='test "$BP_X" = "$(printf \'a\\nb\')" || exit 100')

    with pytest.raises(DetectionFailed) as caught:
        place.detect((a, b, c, d))

    group = caught.value.trail[0]
    assert isinstance(group, GroupTrail)
    assert [member.verdict for member in group.members] == ["errored", "errored", "errored", "passed"]
    assert (group.members[0].status, group.members[0].last_line) == (9, "said")


def test_extensions_generate_where_buildpacks_run(place: Place) -> None:
    """GNR-01, GNR-09, GNR-14"""
    script = "cat $3 >$1/plan; printf 'ARG base_image\\nFROM ${base_image}\\nRUN x\\n' >$1/build.Dockerfile"
    e = place.folders.extension("acme/e", detect=plan(provides=["x"]), generate=script)
    a = place.folders.buildpack("a", detect=plan(requires=["x"]))
    inputs = place.inputs((a,), extensions=(e,))

    detected = detect(place.env, inputs)
    generated = generate(
        place.env,
        GenerateInputs(
            detect=inputs,
            detected=detected,
            analyzed=Analyzed(),
            run_images=(),
            generated_dir=f"{place.root}/generated",
        ),
    )

    assert generated.plan.entries == ()
    assert [file.dockerfile.kind for file in generated.files] == ["build"]
    assert place.env.read_files([f"{place.root}/generated/*/*"]) == {
        f"{place.root}/generated/acme_e/plan": b'[[entries]]\n  name = "x"\n',
        f"{place.root}/generated/acme_e/build.Dockerfile": b"ARG base_image\nFROM ${base_image}\nRUN x\n",
    }
