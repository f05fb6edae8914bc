"""A buildpack that changes an earlier one's layer fails the build, and leaves nothing behind (issue 7, G1, S-27).

Which changes are noticed, and of whom: contract/test_changed_layers.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.errors import ChangedLayer
from support.cli import result

if TYPE_CHECKING:
    from support.cli import Lab

pytestmark = pytest.mark.docker

# Cached, and believed: what is there already is not made again.
HONEST = """\
mkdir -p "$1/tools/sub"
[ -e "$1/tools/word" ] || { echo honest > "$1/tools/word"; touch "$1/tools/lib.py"; echo made; }
printf '[types]\\nlaunch = true\\ncache = true\\n' > "$1/tools.toml"
cat > "$1/launch.toml" <<TOML
[[processes]]
type = "web"
command = ["/bin/cat", "$1/tools/word", "file.txt"]
default = true
TOML"""
WHO = "buildpack acme/hostile@1 changed what acme/honest@1 had made: /layers/acme_honest/tools"


def words(lab: Lab, hostile: str) -> list[str]:
    """The words for a build with an honest buildpack, and after it one that is not."""
    return [
        *("--buildpack", lab.buildpack(build=HONEST, name="honest")),
        *("--buildpack", lab.buildpack(build=f"cd /layers/acme_honest/tools\n{hostile}", name="hostile")),
    ]


def test_it_fails_the_build_and_the_next_one_equals_a_clean_one(lab: Lab) -> None:
    """S-51, G1: image and cache are those of before; the layer that was changed is not taken for the earlier buildpack's."""
    clean = result(lab.build(*words(lab, "true"), "--json", name="clean"))
    # First without anything there, then with a cache and an image.
    lab.build(*words(lab, "echo evil > word")).failed(ChangedLayer.exit_code, f"{WHO}/word")
    assert lab.image_id() == ""
    assert lab.leftovers() == []

    first = lab.build(*words(lab, "true"), "--json")

    assert "made" in first.stderr
    assert result(first)["image_id"] == clean["image_id"]

    outcome = lab.build(*words(lab, "echo evil > word; rm lib.py; : > sub/new"), "--verbose")

    outcome.failed(ChangedLayer.exit_code, f"{WHO}/sub/new and 1 more")
    assert f"acme/hostile@1 changed {WHO.rpartition(' ')[2]}/word" in outcome.stderr
    assert "--trust-builder" in outcome.stderr
    assert lab.image_id() == clean["image_id"]

    after = lab.build(*words(lab, "true"), "--json")

    assert "made" in after.stderr
    assert result(after)["image_id"] == clean["image_id"]
    assert lab.output_of() == "honest\nan app\n"


def test_bytecode_of_python_is_taken_out_and_the_image_is_the_same(lab: Lab) -> None:
    clean = result(lab.build(*words(lab, "true"), "--json", name="clean"))
    compiles = (
        "mkdir -p __pycache__ sub/__pycache__; : > __pycache__/lib.cpython-312.pyc; : > sub/__pycache__/x.pyc"
    )

    for told in ("made", "Removing /layers/acme_honest/tools/__pycache__/lib.cpython-312.pyc"):
        outcome = lab.build(*words(lab, compiles), "--json", "--verbose")

        assert told in outcome.stderr
        assert "Warning" not in outcome.stderr
        assert result(outcome)["image_id"] == clean["image_id"]

    again = lab.build(*words(lab, "true"), "--json")
    assert "made" not in again.stderr
    assert result(again)["image_id"] == clean["image_id"]


def test_who_closes_a_folder_to_the_look_at_all_is_found_out(lab: Lab) -> None:
    """S-51: find can list nothing then, and the engine knows no time of change."""
    hides = 'mkdir -p "$1/own/closed"; printf "[types]\\nlaunch = true\\n" > "$1/own.toml"; chmod 0 "$1/own/closed"'

    lab.build(*words(lab, f"{hides}; echo evil > word")).failed(ChangedLayer.exit_code, f"{WHO}/word")
    lab.build(*words(lab, "echo evil > sub/new; chmod 0 sub")).failed(ChangedLayer.exit_code, f"{WHO}/sub")
    assert lab.build(*words(lab, hides)).code == 0


def test_what_the_user_trusts_may_do_it_with_a_warning(lab: Lab) -> None:
    outcome = lab.build(*words(lab, "echo changed > word"), "--trust-builder")

    assert outcome.code == 0, outcome.text()
    assert f"Warning: {WHO}/word" in outcome.stderr
    assert lab.output_of() == "changed\nan app\n"
