"""Builds as users run them, one after another: what lies in the cache volume is used, and never wrongly.

CCH-01 to CCH-04, EXP-20, promise G4. Signals, kills and two builds at once: test_faults.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pybuild import events
from pybuild.engine import find_endpoint
from pybuild.errors import BuildpackFailed
from pybuild.platform.build import BuildResult, build
from pybuild.platform.request import build_request
from support.engine_proxy import EngineProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cli import Lab

pytestmark = pytest.mark.docker

LAYERS = """
for layer in big other; do
    if [ ! -d $layer ]; then
        mkdir -p $layer/bin; head -c 6000000 /dev/zero > $layer/bin/data; echo $layer > $layer/bin/name
        ln -s name $layer/bin/link; echo $layer >> ../made
    fi
    printf '[types]\\nlaunch = true\\ncache = true\\n[metadata]\\nversion = "1"\\n' > $layer.toml
done
"""


class Bench:
    """One app with two large cached layers, built in this process through a socket that counts."""

    first: BuildResult

    def __init__(self, lab: Lab, proxy: EngineProxy) -> None:
        self.lab = lab
        self.proxy = proxy
        self.heard: list[events.Event] = []
        self.write(LAYERS)

    def write(self, script: str) -> None:
        self.folder = self.lab.buildpack(build=f'cd "$1"\n{script}')

    def build(self, **options: Any) -> BuildResult:
        self.heard.clear()
        self.proxy.clear()
        words: dict[str, Any] = {
            "path": self.lab.app,
            "caller": self.lab.environ,
            "builder": self.lab.builder,
            "buildpacks": [self.folder],
            "network": "none",
        }
        with events.listening(self.heard.append):
            return build(build_request(self.lab.name(), **{**words, **options}))

    def decided(self, action: str) -> list[str]:
        return [
            event.layer
            for event in self.heard
            if isinstance(event, events.LayerDecided) and event.action == action and event.owner == "acme/bp"
        ]

    @property
    def read(self) -> set[str]:
        """What large layers came out of the container: by a pipe or through the engine."""
        return {event.label for event in self.heard if isinstance(event, events.Progress) and event.total}

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.heard if isinstance(event, events.Warned)]

    @property
    def index(self) -> Path:
        (found,) = self.lab.state.glob("*.json")
        return found

    def in_volume(self, script: str) -> None:
        """Run a script as the build user in the cache volume, as somebody who has no business there."""
        assert self.lab.engine is not None
        (volume,) = self.lab.caches()
        made = self.lab.engine.create_container(
            self.lab.builder,
            entrypoint=["/bin/sh", "-ec", f"cd /cache/acme_bp\n{script}"],
            command=[],
            labels={"pybuild.test": self.lab.prefix},
            user="1000:1000",
            host_config=self.lab.engine.create_host_config(binds=[f"{volume}:/cache"]),
        )
        try:
            self.lab.engine.start(made)
            assert self.lab.engine.wait(made)["StatusCode"] == 0, self.lab.engine.logs(made)
        finally:
            self.lab.engine.remove_container(made, force=True)


@pytest.fixture
def bench(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    endpoint = find_endpoint(os.environ).host
    if not endpoint.startswith("unix://"):
        pytest.skip(f"the engine is at {endpoint}, not at a socket file")
    with EngineProxy(tmp_path / "engine.sock", endpoint.removeprefix("unix://")) as proxy:
        monkeypatch.setenv("DOCKER_HOST", proxy.host)
        lab.environ["DOCKER_HOST"] = proxy.host
        monkeypatch.setenv("XDG_STATE_HOME", str(lab.state.parent))
        yield Bench(lab, proxy)


@pytest.fixture
def built(bench: Bench) -> Bench:
    bench.first = bench.build()
    return bench


def test_a_rebuild_without_change_neither_reads_nor_sends_a_layer(built: Bench) -> None:
    first = built.first
    assert "POST images/load" in built.proxy.asked
    assert len(built.read) == 2
    assert built.proxy.sent > 12_000_000
    assert built.proxy.received < 200_000, "they come by a pipe, not through the engine"

    second = built.build()

    assert (second.image_id, second.changed, second.sent) == (first.image_id, False, 0)
    assert built.decided("restored") == ["big", "other"]
    asked = [request for request in built.proxy.asked if request.endswith(("/archive", "/load", "/get"))]
    assert asked == ["PUT containers/ID/archive"] * len(asked), "only the app and the buildpack go in"
    assert built.read == set()
    assert built.proxy.received < 200_000
    assert built.proxy.sent < 200_000


def test_a_changed_app_sends_only_itself(built: Bench) -> None:
    (built.lab.app / "file.txt").write_text("changed\n")

    second = built.build()

    assert second.changed
    assert second.sent < 100_000
    assert built.read == set()
    assert built.decided("reused") == ["big", "other"]


ALTERATIONS = {
    "edited": "echo x > big/bin/name",
    "edited without a trace in size and time": "touch -r big/bin/name ../t; echo big > big/bin/name; touch -r ../t big/bin/name",
    "deleted": "rm big/bin/name",
    "added": "touch big/new",
    "chmod": "chmod 700 big/bin/name",
    "touched": "touch big/bin/name",
    "relinked": "rm big/bin/link; ln -s data big/bin/link",
    "hard linked": "ln big/bin/name ../hard",
}


@pytest.mark.parametrize("script", ALTERATIONS.values(), ids=ALTERATIONS.keys())
def test_an_altered_layer_alone_is_made_anew(built: Bench, script: str) -> None:
    built.in_volume(script)

    second = built.build()

    assert built.decided("dropped") == ["big"]
    assert built.decided("restored") == ["other"]
    assert second.image_id == built.first.image_id
    assert second.sent == 0, "the same bytes again are not sent again"
    assert not built.build().changed


def test_what_a_failed_build_did_to_a_layer_is_noticed(built: Bench) -> None:
    built.write("echo harm >> big/bin/name; exit 9")
    with pytest.raises(BuildpackFailed):
        built.build()
    assert built.lab.image_id() == built.first.image_id
    built.write(LAYERS)

    second = built.build()

    assert (built.decided("dropped"), built.decided("restored")) == (["big"], ["other"])
    assert second.image_id == built.first.image_id


TOOL = """
printf '[types]\\ncache = true\\n[metadata]\\nresumable = true\\n' > tool.toml
mkdir -p tool; echo more >> tool/downloaded
"""


def test_a_tools_cache_of_a_failed_build_is_there_for_the_next_one(built: Bench) -> None:
    """ADR 19: what was downloaded before a mistake is not downloaded again; all else is as after the last good build."""
    built.write(f"{TOOL}\necho harm >> big/bin/name; exit 9")
    with pytest.raises(BuildpackFailed):
        built.build()
    built.write(LAYERS + TOOL)

    second = built.build()

    assert (built.decided("dropped"), built.decided("restored")) == (["big"], ["other", "tool"])
    assert second.image_id == built.first.image_id
    built.in_volume('[ "$(cat tool/downloaded)" = "more\nmore" ]')


def test_a_lost_index_means_a_build_from_nothing(built: Bench) -> None:
    built.index.unlink()

    second = built.build()

    assert (built.decided("restored"), built.warnings) == ([], [])
    assert second.image_id == built.first.image_id
    assert not built.build().changed


def test_a_damaged_index_is_told_and_means_a_build_from_nothing(built: Bench) -> None:
    built.index.write_bytes(built.index.read_bytes()[:-30])

    second = built.build()

    assert built.decided("restored") == []
    assert len(built.warnings) == 1
    assert "the cache is not used" in built.warnings[0]
    assert second.image_id == built.first.image_id


def test_a_cleared_cache_is_a_new_one(built: Bench) -> None:
    built.in_volume("touch big/new")

    second = built.build(clear_cache=True)

    assert (built.decided("restored"), built.decided("dropped")) == ([], [])
    assert second.image_id == built.first.image_id
    assert len(built.lab.caches()) == 1
    assert built.build().changed is False
    assert built.decided("restored") == ["big", "other"]


def test_another_workspace_has_a_cache_of_its_own(built: Bench) -> None:
    """Paths of the app are in what buildpacks make."""
    built.build(workspace="/tmp/app")

    assert built.decided("restored") == []
    assert len(built.lab.caches()) == 2
    assert not built.build(workspace="/tmp/app").changed


def test_another_builder_has_a_cache_of_its_own(built: Bench) -> None:
    assert built.lab.engine is not None
    other = built.lab.name("other-builder")
    built.lab.engine.tag(built.lab.builder, other)

    built.build(builder=f"{other}:latest")

    assert built.decided("restored") == []
    assert len(built.lab.caches()) == 2
