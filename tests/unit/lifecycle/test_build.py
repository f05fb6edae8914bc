"""The build phase over this machine: what it runs, reads, writes, and refuses of what buildpacks leave behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuildError, BuildpackApiUnsupported, BuildpackFailed, InvalidFile
from pybuild.events import Output, Warned, listening
from pybuild.lifecycle.build import BuildInputs, Built, build
from pybuild.lifecycle.buildpacks import Modules
from pybuild.lifecycle.env_dirs import read_given
from pybuild.lifecycle.scripts import SCRIPT_LIMIT, run_lines, write_file
from pybuild.spec.api import ApiVersion
from pybuild.spec.environ import Given
from pybuild.spec.order import Group, GroupElement
from pybuild.spec.plan import Plan, PlanEntry, Provider, Require

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.buildenv.api import BuildEnv
    from pybuild.events import Event

ALL_SBOMS = '["application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.syft+json"]'


class Counting:
    """A build environment that counts how often it is asked for something."""

    def __init__(self, env: BuildEnv) -> None:
        self.env = env
        self.uid, self.gid = env.uid, env.gid
        self.asked: list[str] = []

    def __getattr__(self, verb: str) -> Any:
        self.asked.append(verb)
        return getattr(self.env, verb)


class Place:
    """A build environment in a folder, with buildpacks that are three-line scripts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layers = root / "layers"
        self.env: BuildEnv = LocalBuildEnv()
        self.group: list[GroupElement] = []
        for name in ("app", "layers", "tmp", "platform/env", "buildpacks"):
            (root / name).mkdir(parents=True)

    def buildpack(self, id: str, script: str, *, api: str = "0.10", more: str = "") -> Path:  # noqa: A002
        """Add one to the group; its bin/build runs `script` in its layers directory."""
        root = self.root / "buildpacks" / id.replace("/", "_") / "1.0"
        (root / "bin").mkdir(parents=True)
        (root / "buildpack.toml").write_text(
            f'api = "{api}"\n[buildpack]\nid = "{id}"\nversion = "1.0"\nsbom-formats = {ALL_SBOMS}\n{more}'
        )
        program = root / "bin" / "build"
        program.write_text(f'#!/bin/sh\ncd "$1"\n{script}\n')
        program.chmod(0o755)
        self.group.append(GroupElement(id=id, version="1.0", api=api))
        return root

    def build(self, *, plan: Plan | None = None, env: BuildEnv | None = None, platform: int = 12) -> Built:
        env = env or self.env
        inputs = BuildInputs(
            group=Group(buildpacks=tuple(self.group)),
            plan=plan or Plan(),
            modules=Modules.read(self.env, buildpacks_dir=f"{self.root}/buildpacks"),
            platform_api=ApiVersion(0, platform),
            given=Given(platform_dir=f"{self.root}/platform", user={}, target={}),
            environ={"PATH": os.environ["PATH"]},
            app_dir=f"{self.root}/app",
            layers_dir=str(self.layers),
            tmp_dir=f"{self.root}/tmp",
        )
        return build(env, inputs)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_buildpacks_write_comes_as_it_was_written(place: Place) -> None:
    place.buildpack("acme/a", r"printf 'to stdout \377\n'; echo to stderr >&2")
    heard: list[Event] = []

    with listening(heard.append):
        place.build()

    outputs = [event for event in heard if isinstance(event, Output)]
    assert {event.source for event in outputs} == {"acme/a"}
    assert b"".join(event.data for event in outputs) == b"to stdout \xff\nto stderr\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 2", "bin/build of acme/a@1.0 failed with exit code 2"),
        ("exit 255", "bin/build of acme/a@1.0 failed with exit code 255"),
        ("kill -TERM $$", r"bin/build of acme/a@1.0 was killed by SIGTERM \(status 143\)"),
        ("kill -9 $$", "bin/build of acme/a@1.0 was killed by SIGKILL"),
    ],
)
def test_a_failing_buildpack_is_named_with_its_code_or_signal(
    place: Place, script: str, message: str
) -> None:
    """BUI-01, F-27."""
    place.buildpack("acme/a", script)
    place.buildpack("acme/never", "touch ran")

    with pytest.raises(BuildpackFailed, match=message) as caught:
        place.build()

    assert caught.value.exit_code == 51
    assert caught.value.hint
    assert not (place.layers / "acme_never").exists()
    assert not (place.layers / "config").exists()


def test_a_buildpack_that_cannot_be_started_has_failed(place: Place) -> None:
    root = place.buildpack("acme/a", "true")
    (root / "bin" / "build").chmod(0o644)

    with pytest.raises(BuildpackFailed, match=r"bin/build of acme/a@1\.0 could not be started"):
        place.build()


def test_a_buildpack_that_is_missing_or_speaks_another_api_stops_all_before_anything_runs(
    place: Place,
) -> None:
    place.buildpack("acme/a", "touch ran")
    place.group.append(GroupElement(id="ghost", version="1", api="0.10"))

    with pytest.raises(BuildError, match="ghost@1"):
        place.build()
    place.group[1] = GroupElement(id="ghost", version="1", api="0.5")
    with pytest.raises(BuildpackApiUnsupported, match="ghost@1"):
        place.build()

    assert list(place.layers.iterdir()) == []


HOSTILE = {
    "layer directory that is a link": ("ln -s /etc l; printf '[types]\nlaunch = true' > l.toml", "/l: .*symbolic link"),
    "layer directory that is a file": ("touch l; printf '[types]\ncache = true' > l.toml", "/l: .*this is a file"),
    "layer directory that is a FIFO": ("mkfifo l; printf '[types]\nbuild = true' > l.toml", "/l: .*special file"),
    "layer.toml that is a link": ("ln -s /etc/passwd l.toml", r"/l\.toml: cannot be read: symlink"),
    "layer.toml that is a FIFO": ("mkfifo l.toml", r"/l\.toml: cannot be read: not a regular file"),
    "launch.toml that is a link": ("ln -s ../../app/x launch.toml", r"/launch\.toml: cannot be read: symlink"),
    "SBOM that is a FIFO": ("mkfifo launch.sbom.cdx.json", r"/launch\.sbom\.cdx\.json: .*regular file"),
    "SBOM that is a link": ("ln -s /etc/shadow build.sbom.cdx.json", r"/build\.sbom\.cdx\.json: .*regular file"),
    "store of 2 MB": ("head -c 2000000 /dev/zero | tr '\\0' '#' > store.toml", r"/store\.toml: cannot be read: too large"),
    "process type that climbs": ("printf '[[processes]]\ntype = \"../x\"\ncommand = [\"a\"]' > launch.toml", "processes"),
    "env file with = in its name": ("mkdir -p l/env; echo 1 > l/env/A=B; printf '[types]\nbuild = true' > l.toml", "/l/env/A=B: "),
    "env file with NUL in it": (r"mkdir -p l/env; printf 'a\0b' > l/env/A; printf '[types]\nbuild = true' > l.toml", "/l/env/A: .*NUL"),
    "env file that is a FIFO": ("mkdir -p l/env; mkfifo l/env/A; printf '[types]\nbuild = true' > l.toml", "/l/env/A: cannot be read"),
    "env file that leads nowhere": ("mkdir -p l/env; ln -s no l/env/A; printf '[types]\nbuild = true' > l.toml", "/l/env/A: .*link to nowhere"),
    "env file of 2 MB": ("mkdir -p l/env; head -c 2000000 /dev/zero > l/env/A; printf '[types]\nbuild = true' > l.toml", "/l/env/A: cannot be read: too large"),
    "own directory that is a link": ('cd ..; rm -r "$1"; mkdir -p other; ln -s other "$1"', "/acme_a: .*symbolic link"),
    "renamed layer that is there": ("mkdir l l.ignore; touch l.ignore/f l.toml", r"/l: has no type.*l\.ignore, but that exists"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_outputs_are_refused_by_file_and_buildpack(place: Place, what: str) -> None:
    """S-29, S-30, S-32, S-36, S-37, F-28, GO-10."""
    script, message = HOSTILE[what]
    place.buildpack("acme/a", script)

    with pytest.raises(BuildError, match=message) as caught:
        place.build()

    assert str(caught.value).startswith("buildpack acme/a@1.0: ")
    assert caught.value.exit_code == 52
    assert list((place.root / "tmp").iterdir()) == []
    assert not (place.layers / "config").exists()


def test_an_sbom_that_a_later_buildpack_replaces_by_a_fifo_never_blocks(place: Place) -> None:
    place.buildpack("acme/a", "echo '{}' > launch.sbom.cdx.json")
    place.buildpack("acme/b", "cd ../acme_a; rm launch.sbom.cdx.json; mkfifo launch.sbom.cdx.json")

    with pytest.raises(BuildError, match=r"acme_a/launch\.sbom\.cdx\.json is no regular file any more"):
        place.build()


def test_links_in_the_place_of_the_lifecycles_own_files_are_removed(place: Place) -> None:
    outside = place.root / "outside"
    outside.mkdir()
    (outside / "metadata.toml").write_text("mine")
    place.buildpack("acme/a", f"ln -s {outside} ../config; ln -s {outside} ../sbom")

    built = place.build()

    assert (place.layers / "config" / "metadata.toml").read_bytes() == built.metadata_toml
    assert (outside / "metadata.toml").read_text() == "mine"
    assert [path.name for path in outside.iterdir()] == ["metadata.toml"]


def test_a_layer_without_types_is_renamed_also_over_an_empty_directory(place: Place) -> None:
    """BUI-05."""
    place.buildpack("acme/a", 'mkdir "it\'s" "it\'s.ignore" n; touch "it\'s/f" "it\'s.toml" n/f n.toml')

    place.build()

    names = sorted(path.name for path in (place.layers / "acme_a").iterdir())
    assert names == ["it's.ignore", "it's.toml", "n.ignore", "n.toml"]
    assert (place.layers / "acme_a" / "it's.ignore" / "f").exists()


def test_export_is_given_what_was_read(place: Place) -> None:
    """LYT-01, LYT-02, LYT-03, STT-01, GO-11."""
    place.buildpack(
        "acme/a",
        """
        mkdir l no-toml launch
        printf '[types]\nlaunch = true\n[metadata]\nk = 1' > l.toml
        printf '[types]\ncache = true' > absent.toml
        printf '[metadata]\ns = 2' > store.toml
        touch build.toml launch.toml
        echo '{}' > l.sbom.cdx.json
        """,
    )

    built = place.build()

    (a,) = built.buildpacks
    assert (a.module.id, a.store and a.store.metadata) == ("acme/a", {"s": 2})
    assert [(it.name, it.toml.launch, it.toml.cache, it.has_directory) for it in a.layers] == [
        ("absent", False, True, False),
        ("l", True, False, True),
    ]
    assert a.layers[1].path == f"{place.layers}/acme_a/l"
    assert a.layers[1].toml.metadata == {"k": 1}
    assert [(it.name, it.layer, it.destinations) for it in a.sboms] == [("l.sbom.cdx.json", "l", ("launch",))]
    assert built.sbom_dirs == {"launch", "build"}


def test_the_deprecated_bom_is_told_of_unless_sboms_come_with_it(place: Place) -> None:
    """BLT-03."""
    place.buildpack("acme/a", "printf '[[bom]]\nname = \"x\"' > launch.toml")
    place.buildpack("acme/b", "printf '[[bom]]\nname = \"y\"' > build.toml; echo '{}' > build.sbom.cdx.json")
    heard: list[Event] = []

    with listening(heard.append):
        built = place.build(platform=8)

    warned = [event.text for event in heard if isinstance(event, Warned)]
    assert warned == [f"{place.layers}/acme_a/launch.toml: [[bom]] is deprecated"]
    assert [(entry.name, entry.owner and entry.owner.id) for entry in built.metadata.bom] == [("x", "acme/a")]
    assert built.sbom_dirs == {"build"}


def test_later_buildpacks_see_build_layers_and_nobody_their_own(place: Place) -> None:
    """BUI-06, ENV-01, ENV-05: undecodable bytes and links inside the build environment included."""
    make = r"""
        mkdir -p l/bin l/env.build l/d; printf 'a\377b' > l/env.build/V; ln -s V l/env.build/LINK
        ln -s ../d l/env.build/DIR; printf '[types]\nbuild = true' > l.toml
        env > seen
    """
    place.buildpack("acme/a", make)
    place.buildpack("acme/b", "env > seen")

    place.build()

    first, second = (
        (place.layers / name / "seen").read_bytes().split(b"\n") for name in ("acme_a", "acme_b")
    )
    assert b"V=a\xffb" not in first
    assert {b"V=a\xffb", b"LINK=a\xffb"} <= set(second)
    assert not [line for line in second if line.startswith(b"DIR=")]
    assert f"PATH={place.layers}/acme_a/l/bin:{os.environ['PATH']}".encode() in second


def test_a_build_costs_three_round_trips_a_buildpack_and_two_more(place: Place) -> None:
    for name in "abc":
        place.buildpack(name, "mkdir -p l/bin; printf '[types]\nbuild = true\ncache = true' > l.toml")
    env = Counting(place.env)

    place.build(env=env)

    assert env.asked == ["script", "run", "read_files"] * 3 + ["script", "script"]


def test_a_plan_of_any_size_reaches_its_buildpack_and_is_gone_afterwards(place: Place) -> None:
    """BUI-03."""
    place.buildpack("acme/a", 'cp "$3" got')
    text = "it's\n<ü>" * 40_000
    entry = PlanEntry(
        providers=(Provider(id="acme/a", version="1.0"),),
        requires=(Require(name="go", metadata={"text": text}),),
    )

    place.build(plan=Plan(entries=(entry,)))

    got = (place.layers / "acme_a" / "got").read_text("utf-8")
    assert got.count("it's\\n<ü>") == 40_000
    assert got.startswith('[[entries]]\n  name = "go"\n')
    assert list((place.root / "tmp").iterdir()) == []


def test_nothing_is_left_in_the_temporary_directory_when_a_buildpack_fails(place: Place) -> None:
    place.buildpack("acme/a", 'test -s "$(dirname "$3")/plan.toml"; exit 1')

    with pytest.raises(BuildpackFailed):
        place.build()

    assert list((place.root / "tmp").iterdir()) == []


def test_platform_and_operator_variables_are_read_through_links(tmp_path: Path) -> None:
    """ENV-20, ENV-23."""
    for path, text in {"data/U": "user", "config/env/O": "default", "config/env/A.append": "a"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "platform" / "env").mkdir(parents=True)
    (tmp_path / "platform" / "env" / "U").symlink_to("../../data/U")
    (tmp_path / "platform" / "env" / "D").symlink_to("../../data")

    given = read_given(
        LocalBuildEnv(), platform_dir=f"{tmp_path}/platform", build_config_dir=f"{tmp_path}/config", target={}
    )

    assert given.user == {"U": "user"}
    assert [(it.name, it.action, it.value) for it in given.operator] == [
        ("A", "append", "a"),
        ("O", "default", "default"),
    ]


def test_a_hostile_file_among_the_users_variables_is_named(tmp_path: Path) -> None:
    """S-05."""
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "A=B").write_text("1")

    with pytest.raises(InvalidFile, match="/env/A=B: "):
        read_given(LocalBuildEnv(), platform_dir=str(tmp_path), build_config_dir="", target={})


def test_many_lines_are_sent_in_scripts_that_linux_can_start(tmp_path: Path) -> None:
    env = Counting(LocalBuildEnv())
    lines = [f"printf %s {'x' * 1000}"] * 300

    said = run_lines(env, lines)

    assert len(said) == 300_000
    assert env.asked == ["script"] * -(-300 * 1010 // SCRIPT_LIMIT)


def test_a_file_is_written_as_given_in_the_place_of_whatever_is_there(tmp_path: Path) -> None:
    target = tmp_path / "it's"
    target.mkdir()
    text = "'\"$(exit 1)`\\\n" * 5000 + "\udcff"

    run_lines(LocalBuildEnv(), write_file(str(target), text))

    assert target.read_bytes() == text.encode("utf-8", "surrogateescape")
    with pytest.raises(BuildError, match="NUL"):
        write_file(str(target), "\0")
