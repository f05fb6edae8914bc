"""What pybuild says of a build before it, and of an image after it, on a real engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.cli import Lab, Outcome

pytestmark = pytest.mark.docker

DETECT = """\
[ -f go.mod ] || { echo 'no go.mod here'; exit 100; }
cat > "$2" <<'PLAN'
[[provides]]
name = "go"
[[requires]]
name = "go"
PLAN"""
BUILD = """\
cd "$1"
[ -d go ] || { mkdir -p go/bin go/share/doc; head -c 3000000 /dev/zero > go/bin/go; head -c 2000000 /dev/zero > go/libgo.a; }
mkdir -p out; cp go/bin/go out/app
[ -d cache ] || mkdir cache
printf '[types]\\nlaunch = true\\nbuild = true\\ncache = true\\n' > go.toml
printf '[types]\\nlaunch = true\\n' > out.toml
printf '[types]\\ncache = true\\n' > cache.toml
"""


def plan(lab: Lab, *words: str) -> Outcome:
    options = ("--builder", lab.builder, "--network", "none", "--no-color")
    return lab.run("plan", lab.name(), *options, *words)


def layers(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.text()
    return {each["layer"]: (each["from"], each["types"]) for each in json.loads(outcome.stdout)["layers"]}


def test_a_plan_says_what_a_build_would_do_and_does_nothing(lab: Lab) -> None:
    (lab.app / "go.mod").write_text("")
    buildpack = ("--buildpack", lab.buildpack(detect=DETECT, build=BUILD))

    first = plan(lab, *buildpack, "--json")
    assert (lab.image_id(), lab.caches()) == ("", [])
    lab.build(*buildpack)
    image = lab.image_id()
    again = plan(lab, *buildpack, "--json")
    (lab.app / "main.go").write_text("")
    changed, cleared = plan(lab, *buildpack), plan(lab, *buildpack, "--clear-cache", "--json")

    found = json.loads(first.stdout)
    assert found["buildpacks"] == [
        {"id": "acme/bp", "version": "1", "provides": ["go"], "requires": ["go"]},
    ]
    assert (found["layers"], found["app"], found["previous_image"]) == ([], "unknown", None)
    assert layers(again) == {
        "go": ("cache", ["launch", "build", "cache"]),
        "out": ("image", ["launch"]),
        "cache": ("cache", ["cache"]),
    }
    assert json.loads(again.stdout)["app"] == "unchanged"
    assert "changed since the last build" in changed.stdout
    assert "acme/bp:go launch+build+cache" in " ".join(changed.stdout.split())
    assert {source for source, _ in layers(cleared).values()} == {"nothing"}
    assert lab.image_id() == image


def test_a_plan_that_fails_says_what_each_buildpack_said(lab: Lab) -> None:
    outcome = plan(lab, "--buildpack", lab.buildpack(detect=DETECT, build=BUILD), "--json")

    outcome.failed(20, "No buildpack groups passed detection")
    (group,) = json.loads(outcome.stdout)["groups"]
    assert (group["buildpacks"][0]["result"], group["buildpacks"][0]["reason"]) == (
        "failed",
        "no go.mod here",
    )


def test_a_build_that_nothing_fits_says_so_to_people_and_to_programs(lab: Lab) -> None:
    outcome = lab.build("--buildpack", lab.buildpack(detect=DETECT), "--json", "--log-format", "json")
    shown = lab.build("--buildpack", lab.buildpack(detect=DETECT))

    assert outcome.code == 20
    (group,) = json.loads(outcome.stdout)["groups"]
    assert group["buildpacks"][0]["reason"] == "no go.mod here"
    assert json.loads(outcome.stderr.splitlines()[-1])["event"] == "failed"
    assert " ".join(shown.stderr.split()).count("acme/bp@1 failed no go.mod here") == 1


def test_an_images_size_is_told_by_layer_maker_and_kind_of_file(lab: Lab) -> None:
    (lab.app / "go.mod").write_text("")
    lab.build("--buildpack", lab.buildpack(detect=DETECT, build=BUILD))

    outcome, words = lab.run("size", lab.name(), "--json"), lab.run("size", lab.name())

    found = json.loads(outcome.stdout)
    sizes = {each["owner"]: (each["size_bytes"], each["files"], each["classes"]) for each in found["layers"]}
    assert sizes["acme/bp:go"] == (5_000_000, 2, {"programs": 3_000_000, "for compiling": 2_000_000})
    assert sizes["acme/bp:out"] == (3_000_000, 1, {"other": 3_000_000})
    assert found["makers"]["acme/bp"] == 8_000_000
    assert found["repeated_bytes"] >= 3_000_000
    assert found["size_bytes"] == sum(each["size_bytes"] for each in found["layers"])
    assert {"path": "layers/acme_bp/go/bin/go", "size_bytes": 3_000_000, "owner": "acme/bp:go"} in found[
        "largest"
    ]
    rows = [" ".join(line.split()) for line in words.stdout.splitlines()]
    assert "acme/bp:go 5.0 MB 2 programs 3.0 MB, for compiling 2.0 MB" in rows
    assert "An image seldom needs: for compiling 2.0 MB.\n" in words.stdout


def test_the_size_of_no_image_is_an_error(lab: Lab) -> None:
    lab.run("size", lab.name("nothing")).failed(3, "there is no image")
