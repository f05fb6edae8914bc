"""What export finds out for the launcher, from a listing and file contents alone."""

from __future__ import annotations

import pytest

from pybuild.buildenv.api import Entry, Refused
from pybuild.errors import BuildpackApiUnsupported, InvalidFile
from pybuild.launcher.compile import compile_launcher
from pybuild.launcher.inputs import LaunchBuildpack, LauncherInputs, LaunchLayer, launch_inputs, patterns
from pybuild.spec.api import ApiVersion
from pybuild.spec.environ import EnvFile
from pybuild.spec.launch import Metadata, Process
from pybuild.spec.order import GroupElement

PLATFORM = ApiVersion(0, 12)


def entry(path: str, kind: str = "d") -> Entry:
    return Entry(
        path=path, kind=kind, mode=0o755, uid=0, gid=0, size=0, mtime=0, ctime=0, inode=1, links=1, target=""
    )


def read(
    entries: list[Entry],
    files: dict[str, bytes | Refused] | None = None,
    *,
    layers: list[tuple[str, str]] | None = None,
    api: str = "0.10",
    platform_api: ApiVersion = PLATFORM,
    processes: tuple[Process, ...] = (),
) -> LauncherInputs:
    return launch_inputs(
        Metadata(processes=processes, buildpacks=(GroupElement(id="acme/app", version="1", api=api),)),
        platform_api=platform_api,
        layers_dir="/layers",
        app_dir="/workspace",
        entries=entries,
        files=files or {},
        layers=layers,
    )


def test_a_layer_is_told_from_its_listing_and_its_env_files() -> None:
    root = "/layers/acme_app/a"
    found = read(
        [
            entry("/layers"),
            entry("/layers/acme_app"),
            entry("/layers/acme_app/a.toml", "f"),
            entry(root),
            entry(f"{root}/bin", "l"),
            entry(f"{root}/env"),
            entry(f"{root}/env/A.append", "f"),
            entry(f"{root}/env/A.delim", "f"),
            entry(f"{root}/env.launch"),
            entry(f"{root}/env.launch/web"),
            entry(f"{root}/env.launch/web/B", "f"),
            entry(f"{root}/exec.d"),
            entry(f"{root}/exec.d/two", "l"),
            entry(f"{root}/exec.d/one", "f"),
            entry(f"{root}/exec.d/web"),
            entry(f"{root}/exec.d/web/three", "f"),
            entry(f"{root}/profile.d"),
            entry(f"{root}/profile.d/p.sh", "f"),
            entry(f"{root}/lib/python3/site-packages/exec.d/x", "f"),
        ],
        {f"{root}/env/A.append": b"x", f"{root}/env/A.delim": b":", f"{root}/env.launch/web/B": b"y"},
    )

    layer = LaunchLayer(
        name="a",
        paths=("bin",),
        environ={
            "env": (EnvFile(name="A", action="append", value="x", delimiter=":"),),
            "env.launch/web": (EnvFile(name="B", action="override", value="y"),),
        },
        exec_d=("exec.d/one", "exec.d/two", "exec.d/web/three"),
        profile_d=("profile.d/p.sh",),
    )
    assert found.buildpacks == (LaunchBuildpack(id="acme/app", api=ApiVersion(0, 10), layers=(layer,)),)


def test_layers_come_in_the_order_of_their_names_and_only_those_of_the_image() -> None:
    """ENV-03, ENV-07."""
    found = read(
        [entry(f"/layers/acme_app/{name}") for name in ("b", "B", "a", "cache-only")],
        layers=[("acme/app", name) for name in ("b", "a", "B", "previous")],
    )

    assert [(layer.name, layer.unread) for layer in found.buildpacks[0].layers] == [
        ("B", False),
        ("a", False),
        ("b", False),
        ("previous", True),
    ]


@pytest.mark.parametrize(
    ("entries", "files"),
    [
        ([entry("/layers/acme_app/a/env", "l")], {}),
        ([entry("/layers/acme_app/a/exec.d", "l")], {}),
        ([entry("/layers/acme_app/a/env/A", "l")], {"/layers/acme_app/a/env/A": Refused(why="symlink")}),
        ([entry("/layers/acme_app/a/env/A", "f")], {"/layers/acme_app/a/env/A": Refused(why="too large")}),
        ([entry("/layers/acme_app/a/env/A", "f")], {}),
    ],
)
def test_a_layer_that_cannot_be_told_from_here_is_left_to_the_launcher(
    entries: list[Entry], files: dict[str, bytes | Refused]
) -> None:
    found = read([entry("/layers/acme_app/a"), *entries], files)

    assert found.buildpacks[0].layers == (LaunchLayer(name="a", unread=True),)


@pytest.mark.parametrize(("name", "value"), [("A", b"x\0y"), ("A=B", b"x")])
def test_env_files_that_no_program_can_be_given_fail_the_export(name: str, value: bytes) -> None:
    """S-37."""
    path = f"/layers/acme_app/a/env.launch/{name}"

    with pytest.raises(InvalidFile, match=path):
        read([entry("/layers/acme_app/a"), entry(path, "f")], {path: value})


def test_a_buildpack_api_that_we_do_not_speak_fails_the_export() -> None:
    with pytest.raises(BuildpackApiUnsupported, match="acme/app"):
        read([], api="0.99")


def test_processes_are_those_of_the_images_platform_api() -> None:
    process = Process(type="web", command=("a", "b"), args=("c",))

    found = read([], platform_api=ApiVersion(0, 9), processes=(process,)).processes[0]

    assert (found.command, found.args) == (("a",), ("b", "c"))


def test_patterns_take_the_layers_directory_literally() -> None:
    assert patterns("/lay*rs[1]/")[0] == "/lay[*]rs[[]1]/*/*/env/*"


def test_a_launcher_holds_only_the_parts_that_its_image_needs() -> None:
    def parts(layer: LaunchLayer) -> tuple[bool, bool]:
        buildpack = LaunchBuildpack(id="a", api=ApiVersion(0, 10), layers=(layer,))
        text = compile_launcher(LauncherInputs(buildpacks=(buildpack,)))
        assert text.startswith(b"#!/bin/sh\n")
        assert b"#@" not in text
        return b"\nexec_d() {" in text, b"\nunread_env() {" in text

    assert parts(LaunchLayer(name="a")) == (False, False)
    assert parts(LaunchLayer(name="a", exec_d=("exec.d/x",))) == (True, False)
    assert parts(LaunchLayer(name="a", unread=True)) == (True, True)


def test_the_same_inputs_make_the_same_bytes() -> None:
    inputs = LauncherInputs(processes=(Process(type="web", command=("x",)),))

    assert compile_launcher(inputs) == compile_launcher(inputs)
