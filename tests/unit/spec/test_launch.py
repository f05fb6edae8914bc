"""launch.toml, build.toml, store.toml, metadata.toml: LNT, BLT, STT-01, MDT, GO-52."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.spec.api import ApiVersion
from pybuild.spec.launch import (
    BomEntry,
    BuildToml,
    Label,
    LaunchToml,
    Metadata,
    Process,
    Slice,
    StoreToml,
)
from pybuild.spec.order import GroupElement


def read(text: str, api: str = "0.12") -> LaunchToml:
    return LaunchToml.read(text.encode(), "launch.toml", ApiVersion.parse(api), "acme/go")


WEB = '[[processes]]\ntype = "web"\ncommand = ["go", "run"]\nworking-dir = "w"\n'
OLD = '[[processes]]\ntype = "web"\ncommand = "go run"\nworking-dir = "w"\n'


def test_every_key_is_read() -> None:
    text = (
        WEB + 'args = ["x"]\ndefault = true\nexec-env = ["test"]\n'
        '[[labels]]\nkey = "k"\nvalue = "v"\n[[slices]]\npaths = ["a/*"]\n[[bom]]\nname = "n"\n[bom.metadata]\nv = 1\n'
    )

    assert read(text) == LaunchToml(
        processes=(
            Process(
                type="web",
                command=("go", "run"),
                args=("x",),
                default=True,
                working_dir="w",
                buildpack_id="acme/go",
                exec_envs=("test",),
            ),
        ),
        labels=(Label(key="k", value="v"),),
        slices=(Slice(paths=("a/*",)),),
        bom=(BomEntry(name="n", metadata={"v": 1}),),
    )


@pytest.mark.parametrize(
    ("api", "text", "command", "direct", "working_dir"),
    [
        ("0.7", OLD, ("go run",), False, ""),
        ("0.8", OLD, ("go run",), False, "w"),
        ("0.8", OLD + "direct = true\n", ("go run",), True, "w"),
        ("0.9", WEB, ("go", "run"), True, "w"),
        ("0.12", WEB, ("go", "run"), True, "w"),
    ],
)
def test_a_process_is_read_by_its_buildpack_api(
    api: str, text: str, command: tuple[str, ...], direct: bool, working_dir: str
) -> None:
    (process,) = read(text, api).processes

    assert (process.command, process.direct, process.working_dir) == (command, direct, working_dir)


@pytest.mark.parametrize(
    ("api", "text", "problem"),
    [
        ("0.9", WEB + "direct = true\n", r"processes\[0\]\.direct: not allowed"),
        ("0.9", OLD, r"processes\[0\]\.command: expected an array of strings, found string 'go run'"),
        ("0.8", WEB, r"processes\[0\]\.command: expected a string, found array"),
        ("0.12", WEB.replace("web", "../web"), r"processes\[0\]\.type: '../web' is no process type"),
        ("0.12", WEB.replace('"w"', '"a\\u0000b"'), r"processes\[0\]\.working-dir: expected a path"),
        (
            "0.12",
            WEB + "default = true\n" + WEB + "default = true\n",
            "processes: web and web are both the default",
        ),
        ("0.12", '[[bom]]\nname = "n"\nversion = "1"\n', "bom: n has a version of its own"),
        ("0.12", "processes = 'web'\n", "processes: expected an array of tables, found string"),
    ],
)
def test_a_bad_launch_toml_is_refused_with_the_place(api: str, text: str, problem: str) -> None:
    """LNT-03, LNT-04, LNT-06, S-32, F-28."""
    with pytest.raises(InvalidFile, match=f"^launch.toml: {problem}"):
        read(text, api)


def test_absent_arguments_differ_from_none() -> None:
    assert [process.args for process in read(WEB + WEB + "args = []\n").processes] == [None, ()]


def test_build_toml_names_what_is_unmet() -> None:
    assert BuildToml.read(b'[[unmet]]\nname = "go"\n', "build.toml").unmet == ("go",)
    with pytest.raises(InvalidFile, match=r"build\.toml: unmet\[0\]\.name: expected a string, found nothing"):
        BuildToml.read(b"[[unmet]]\n", "build.toml")


def test_a_store_reads_and_writes_the_same() -> None:
    store = StoreToml(metadata={"a": [1, "b"]})

    assert StoreToml.read(store.write(), "store.toml") == store
    assert StoreToml.read(b"", "store.toml") == StoreToml()


METADATA = Metadata(
    processes=(
        Process(type="task", command=("ls",), buildpack_id="a", working_dir="/tmp", exec_envs=("test",)),
        Process(type="web", command=("sh", "-c", "<"), args=("x",), buildpack_id="a"),
    ),
    labels=(Label(key="k", value="v"),),
    slices=(Slice(paths=("a", "b")),),
    buildpacks=(GroupElement(id="a", version="1", api="0.12", homepage="h"),),
    extensions=(GroupElement(id="e", version="2", api="0.12", extension=True, optional=True),),
    default_process_type="web",
    bom=(BomEntry(name="n", metadata={"v": 1}, owner=GroupElement(id="a", version="1")),),
)


def test_metadata_reads_and_writes_the_same_but_for_the_deprecated_bom() -> None:
    """MDT-01, MDT-02, MDT-04."""
    found = Metadata.read(METADATA.write(ApiVersion(0, 12)), "metadata.toml")

    assert found.bom == ()
    assert (found.processes, found.labels, found.slices) == (
        METADATA.processes,
        METADATA.labels,
        METADATA.slices,
    )
    assert (found.buildpacks, found.extensions) == (METADATA.buildpacks, METADATA.extensions)
    assert found.default_process_type == "web"


def test_below_0_9_the_bom_is_part_of_the_metadata() -> None:
    assert Metadata.read(METADATA.write(ApiVersion(0, 8)), "metadata.toml").bom == METADATA.bom


def test_below_0_10_a_command_is_one_word_and_the_others_lead_the_arguments() -> None:
    """MDT-05."""
    text = METADATA.write(ApiVersion(0, 9))

    web = Metadata.read(text, "metadata.toml").processes[1]

    assert b'command = "sh"\n  args = ["-c", "<", "x"]\n' in text
    assert (web.command, web.args) == (("sh",), ("-c", "<", "x"))


def test_a_process_without_command_cannot_be_said_below_0_10() -> None:
    metadata = Metadata(processes=(Process(type="web", command=()),))

    assert b"command = []" in metadata.write(ApiVersion(0, 10))
    with pytest.raises(InvalidFile, match=r"process web: no command, which Platform API 0\.9 cannot express"):
        metadata.write(ApiVersion(0, 9))
