"""What one buildpack says to the next ones and to the image: plan, processes, environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.api import Refused
from pybuild.errors import InvalidFile
from pybuild.events import listening
from pybuild.lifecycle.contributions import build_layer_environ, merge_processes, plan_of, without_met
from pybuild.lifecycle.layers_dir import Found
from pybuild.lifecycle.outputs import check_unmet, read_outputs
from pybuild.spec.api import ApiVersion
from pybuild.spec.launch import Process
from pybuild.spec.plan import Plan, PlanEntry, Provider, Require

if TYPE_CHECKING:
    from pybuild.events import Event

API = ApiVersion(0, 10)


def entry(name: str, *providers: str, extension: bool = False) -> PlanEntry:
    return PlanEntry(
        providers=tuple(Provider(id=it, version="1", extension=extension) for it in providers),
        requires=(Require(name=name), Require(name=name, metadata={"second": True})),
    )


def test_a_buildpack_gets_what_it_provides_and_nobody_has_met() -> None:
    """BUI-03, BUI-04."""
    plan = Plan(entries=(entry("go", "a", "b"), entry("node", "b"), entry("go", "x", extension=True)))

    assert plan_of(plan, "a").entries == entry("go").requires
    assert plan_of(plan, "b").entries == entry("go").requires + entry("node").requires
    assert plan_of(plan, "x").entries == ()
    assert plan_of(plan, "x", extension=True).entries == entry("go").requires
    assert plan_of(without_met(plan, ["go"]), "b").entries == entry("node").requires


def test_only_what_was_asked_can_be_unmet() -> None:
    """BLT-01."""
    check_unmet(["go", "go"], ["node", "go"], "/layers/a/build.toml")

    with pytest.raises(InvalidFile, match=r"/layers/a/build.toml: unmet\[1\]\.name: 'zip' .* got: go, node"):
        check_unmet(["go", "zip"], ["go", "node", "go"], "/layers/a/build.toml")


def process(type_: str, command: str = "c", *, default: bool = False) -> Process:
    return Process(type=type_, command=(command,), default=default, buildpack_id="acme/x")


@pytest.mark.parametrize(
    ("lists", "default"),
    [
        ([], ""),
        ([[process("web")]], ""),
        ([[process("web", default=True)]], "web"),
        ([[process("web", default=True)], [process("task", default=True)]], "task"),
        ([[process("web", default=True)], [process("task")]], "web"),
        ([[process("web", default=True)], [process("web")]], ""),
        ([[process("web", default=True)], [process("web")], [process("web", default=True)]], "web"),
        ([[process("web", default=True), process("task")], [process("task")]], "web"),
    ],
)
def test_the_last_default_process_holds_until_it_is_redefined(
    lists: list[list[Process]], default: str
) -> None:
    """BUI-08, LNT-06."""
    assert merge_processes(lists)[1] == default


def test_the_last_definition_of_a_type_wins_and_types_are_sorted() -> None:
    """BUI-07."""
    merged, _ = merge_processes(
        [[process("web", "1", default=True), process("b")], [process("web", "2"), process("B")]]
    )

    assert merged == (process("B"), process("b"), process("web", "2"))


def test_losing_the_default_process_is_told() -> None:
    heard: list[Event] = []

    with listening(heard.append):
        merge_processes([[process("web", default=True)], [process("web")]])

    assert "acme/x redefines the default process type web" in heard[0].text  # type: ignore[union-attr]


def test_build_layers_change_the_environment_layer_by_layer() -> None:
    """ENV-03, ENV-04, ENV-12, GO-69."""
    files: dict[str, bytes | Refused] = {
        "/layers/bp/a.toml": b"types.build = true",
        "/layers/bp/b.toml": b"types.build = true",
        "/layers/bp/c.toml": b"types.launch = true",
        "/layers/bp/a/env/PATH.override": b"OVR",
        "/layers/bp/a/env/V.append": b"1",
        "/layers/bp/a/env/V.delim": b",",
        "/layers/bp/a/env.build/V.append": b"2",
        "/layers/bp/b/env/V.append": b"3",
        "/layers/bp/c/env/V.append": b"4",
    }
    outputs = read_outputs(files, directory="/layers/bp", api=API, buildpack_id="bp")
    found = Found(kinds={}, path_dirs={it: frozenset(("bin", "lib")) for it in "abc"})

    after = build_layer_environ(
        {"V": "0", "PATH": "/bin"},
        "/layers/bp",
        outputs,
        found,
        {path: content for path, content in outputs.env_files.items() if isinstance(content, bytes)},
    )

    assert after["V"] == "0,123"
    assert after["PATH"] == "/layers/bp/b/bin:OVR"
    assert after["LD_LIBRARY_PATH"] == "/layers/bp/b/lib:/layers/bp/a/lib"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "launch.toml",
            b"[[processes]]\ntype = '../../../tmp/evil'\ncommand = ['x']",
            "launch.toml: processes",
        ),
        ("launch.toml", b"[[processes]]\ntype = 'a b'\ncommand = ['x']", "launch.toml: processes"),
        ("launch.toml", b"[[processes]]\ntype = \"a\\nb\"\ncommand = ['x']", "launch.toml: processes"),
        ("launch.toml", b"processes = 'x'", "launch.toml: processes: expected"),
        ("launch.toml", b"a = 1\n[x", r"launch.toml: .*line 2"),
        ("launch.toml", b"\xff", "launch.toml: "),
        ("launch.toml", b"a = " + b"[" * 100_000, "launch.toml: "),
        ("build.toml", b"unmet = [1]", "build.toml: unmet"),
        ("store.toml", b"metadata = 1", "store.toml: metadata"),
        ("store.toml", Refused(why="too large"), "store.toml: cannot be read: too large"),
        ("l.toml", b"types.build = 'yes'", "l.toml: types.build: expected true or false"),
        ("l.toml", b"build = true", "l.toml: build: belongs into"),
        ("l.toml", Refused(why="symlink"), "l.toml: cannot be read: symlink"),
        ("l.toml", Refused(why="not a regular file"), "l.toml: cannot be read: not a regular file"),
        (".toml", b"", ".toml: "),
        ("..toml", b"", "..toml: "),
        ("new\nline.toml", b"", "no layer name"),
        ("\udcff.toml", b"", "no layer name"),
    ],
)
def test_a_file_that_breaks_the_specification_is_named(
    name: str, content: bytes | Refused, message: str
) -> None:
    """F-28, S-29, S-30, S-32, S-36, LYT-01."""
    with pytest.raises(InvalidFile, match=message) as caught:
        read_outputs({f"/layers/bp/{name}": content}, directory="/layers/bp", api=API, buildpack_id="bp")

    assert "/layers/bp/" in str(caught.value)
