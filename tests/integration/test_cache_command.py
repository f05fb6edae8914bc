"""`pybuild cache`: what builds keep is listed, removed by name, and pruned by age, with all that is remembered of it."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from support.cli import result

if TYPE_CHECKING:
    from support.cli import Lab

pytestmark = pytest.mark.docker

BUILD = """\
mkdir "$1/deps"; head -c 100000 /dev/zero > "$1/deps/data"
printf '[types]\\nlaunch = true\\ncache = true\\n' > "$1/deps.toml"
"""


@pytest.fixture
def built(lab: Lab) -> Lab:
    """A lab with two apps that have been built once."""
    words = ["--buildpack", lab.buildpack(build=BUILD), "--json"]
    for name in ("one", "two"):
        result(lab.build(*words, name=name))
    return lab


def listed(lab: Lab) -> dict[str, dict[str, object]]:
    found = json.loads(lab.run("cache", "ls", "--json").stdout)
    return {cache["image"]: cache for cache in found if cache["image"].startswith(lab.prefix)}


def remembered(lab: Lab) -> int:
    """How many caches' files there are; what a builder needs to trust this machine is not of any cache."""
    return len(list(lab.state.glob("pybuild-cache-*")))


def test_caches_are_listed_with_image_builder_size_and_last_use(built: Lab) -> None:
    cache = listed(built)[f"{built.prefix}/one:latest"]
    table = built.run("cache", "ls")
    names = built.run("cache", "ls", "--quiet")

    assert cache["builder"] == built.builder
    assert cache["name"] in names.stdout.split()
    assert isinstance(cache["size_bytes"], int)
    assert cache["size_bytes"] > 100_000
    assert isinstance(cache["last_used"], str)
    (line,) = [line for line in table.stdout.splitlines() if line.startswith(f"{built.prefix}/one:latest ")]
    assert line.split()[-2:] in (["just", "now"], ["minute", "ago"])
    assert table.stderr == ""


def test_several_may_ask_at_once(lab: Lab) -> None:
    """The engine measures its disk for one at a time, and refuses all others."""
    asking = [lab.start("cache", "ls", "--json") for _ in range(3)]

    ended = [each.end() for each in asking]

    assert [outcome.code for outcome in ended] == [0] * 3, "\n".join(each.text() for each in ended)


def test_a_cache_is_removed_by_image_and_by_its_own_name(built: Lab) -> None:
    own_name = str(listed(built)[f"{built.prefix}/two:latest"]["name"])

    outcome = built.run("cache", "rm", built.name("one"), own_name)

    assert outcome.code == 0, outcome.text()
    assert len(outcome.stdout.split()) == 2
    assert listed(built) == {}
    assert remembered(built) == 0


def test_nothing_is_removed_when_one_name_is_unknown(built: Lab) -> None:
    built.run("cache", "rm", built.name("one"), "no-such-app").failed(3, "no-such-app")

    assert len(listed(built)) == 2


def test_a_volume_that_is_no_cache_is_never_removed(built: Lab) -> None:
    assert built.engine is not None
    name = built.prefix.replace("/", "-") + "-data"
    built.engine.create_volume(name, labels={"pybuild.test": built.prefix})
    try:
        built.run("cache", "rm", name).failed(3, name)
        assert built.engine.inspect_volume(name)
    finally:
        built.engine.remove_volume(name)


def test_prune_removes_what_no_build_has_used_for_so_long(built: Lab) -> None:
    """G10. Only our own two are old enough: caches of other builds on this engine stay."""
    old = time.time() - 4000 * 86400
    volume = str(listed(built)[f"{built.prefix}/one:latest"]["name"])
    os.utime(built.state / volume, (old, old))

    outcome = built.run("cache", "prune", "--unused", "3000d")

    assert outcome.code == 0, outcome.text()
    assert outcome.stdout.split() == [volume]
    assert "1 cache removed" in outcome.stderr
    assert list(listed(built)) == [f"{built.prefix}/two:latest"]
    assert remembered(built) == 2


def test_a_cache_in_use_is_kept_and_said_so(built: Lab) -> None:
    built.buildpack(build="touch /marks/building; sleep 900")
    running = built.start_build("--buildpack", str(built.root / "cnb/buildpacks/acme_bp/1"), name="one")
    running.wait_for_file(built.marks / "building")

    outcome = built.run("cache", "rm", built.name("one"))
    running.stop(15)

    outcome.failed(3, "in use")
    assert f"{built.prefix}/one:latest" in listed(built)
