"""`pybuild compare --build`: both tools build, both times are told, and nothing of it is left.

A script stands in for pack here: it builds with pybuild. The real one is in test_beside_pack.py.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from pybuild.platform import ownership
from support.pace import allowed

if TYPE_CHECKING:
    import docker

    from support.cli import Lab

pytestmark = pytest.mark.docker

PROJECT = """\
[_]
schema-version = "0.2"
[io.buildpacks]
builder = "{builder}"
[[io.buildpacks.group]]
id = "acme/inline"
[io.buildpacks.group.script]
api = "0.10"
inline = '''
mkdir -p "$1/dep"
echo "${{SALT:-}}" > "$1/dep/file"
printf '[types]\\nlaunch = true\\n' > "$1/dep.toml"
'''
"""
PACK = f"""\
#!/bin/sh
if [ "$1" = version ]; then echo 9.9; exit; fi
echo "$@" >> "$(dirname "$0")/calls"
for word; do
    shift
    [ "$word" = --trust-builder ] || set -- "$@" "$word"
done
set -- {sys.executable} -m pybuild "$@"
"""


@pytest.fixture
def tools(lab: Lab) -> Lab:
    """A lab whose app brings its buildpack and names its builder, so that both tools can be called alike."""
    (lab.app / "project.toml").write_text(PROJECT.format(builder=lab.builder))
    return lab


def pack(lab: Lab, then: str) -> str:
    """A program to name in PACK; `then`: what it does with `$@`, a build with pybuild."""
    program = lab.root / "pack"
    program.write_text(PACK + then + "\n")
    program.chmod(0o755)
    return str(program)


def calls(lab: Lab) -> list[str]:
    return (lab.root / "calls").read_text().splitlines()


def token(lab: Lab) -> str:
    """What the names of this comparison have in common."""
    return calls(lab)[0].split()[1].partition("/")[0]


def left(lab: Lab, engine: docker.APIClient) -> list[str]:
    """What the comparison has left on the engine under its names."""
    images = [tag for image in engine.images(name=f"{token(lab)}/*") for tag in image["RepoTags"] or []]
    labels = [
        (volume["Labels"] or {}).get(ownership.IMAGE, "") for volume in engine.volumes()["Volumes"] or []
    ]
    return sorted(images + [label for label in labels if label.startswith(token(lab))])


def test_both_tools_build_twice_and_the_images_are_compared(tools: Lab, engine: docker.APIClient) -> None:
    program = pack(tools, 'exec "$@"')

    outcome = tools.run("compare", "--build", ".", "--json", PACK=program)

    assert outcome.code == 0, outcome.text()
    found = json.loads(outcome.stdout)
    assert (found["same"], found["builder"], found["kept"]) == (True, tools.builder, False)
    assert [(tool["tool"], tool["version"]) for tool in found["tools"]][1] == ("pack", "9.9")
    assert all(tool["first_seconds"] > 0 < tool["rebuild_seconds"] for tool in found["tools"])
    assert found["comparison"]["identical"]
    words = f"build {token(tools)}/pack --path . --builder {tools.builder} --pull-policy if-not-present"
    assert calls(tools) == [f"{words} --trust-builder --no-color"] * 2
    assert left(tools, engine) == []


def test_what_the_tools_make_differently_is_shown_and_can_be_kept(
    tools: Lab, engine: docker.APIClient
) -> None:
    program = pack(tools, 'exec "$@" --env SALT=1')

    outcome = tools.run("compare", "--build", ".", "--keep", PACK=program, COLUMNS="80")

    try:
        assert outcome.code == 1, outcome.text()
        assert "FILES of acme/inline:dep: 1 changed" in outcome.stdout
        assert "/layers/acme_inline/dep/file  content, size 1 B -> 2 B" in outcome.stdout
        assert {name.partition(":")[0] for name in left(tools, engine)} == {
            f"{token(tools)}/pack",
            f"{token(tools)}/pybuild",
        }
    finally:
        names = {name.rpartition(":")[0] for name in left(tools, engine)}
        tools.run("cache", "rm", *(f"{name}:latest" for name in sorted(names)))
        for name in left(tools, engine):
            engine.remove_image(name)


def test_a_pack_that_fails_is_told_with_its_last_words(tools: Lab, engine: docker.APIClient) -> None:
    program = pack(tools, "echo 'ERROR: no such thing' >&2; exit 7")

    outcome = tools.run("compare", "--build", ".", PACK=program)

    outcome.failed(2, "pack could not build the app: it ended with 7")
    assert "  pack: ERROR: no such thing" in outcome.stderr
    assert left(tools, engine) == []


def test_an_app_that_nothing_detects_is_told_as_by_a_build(tools: Lab) -> None:
    program = pack(tools, "exit 9")
    text = (tools.app / "project.toml").read_text()
    (tools.app / "project.toml").write_text(text.partition("[[io.buildpacks.group]]")[0])

    outcome = tools.run("compare", "--build", ".", PACK=program)

    assert outcome.code not in (0, 1)
    assert "pybuild could not build the app" in outcome.errors[-1]
    assert not (tools.root / "calls").exists()


def test_ctrl_c_ends_it_and_leaves_nothing(tools: Lab, engine: docker.APIClient) -> None:
    program = pack(tools, 'touch "$(dirname "$0")/there"; exec sleep 900')
    running = tools.start("compare", "--build", ".", PACK=program)
    running.wait_for_file(tools.root / "there")

    outcome = running.stop(signal.SIGINT)

    assert (outcome.code, outcome.seconds < allowed(5)) == (130, True)
    assert left(tools, engine) == []
