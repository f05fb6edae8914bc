"""What an app image says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from pybuild.cli.inspect import as_data, human_text, with_lists
from pybuild.cli.show.structured import write
from pybuild.errors import InvalidFile
from pybuild.platform.images.inspect import Inspected, app_image
from pybuild.spec import toml
from pybuild.spec.config import Config
from pybuild.spec.run_image import RunImageName
from pybuild.stores.api import StoredImage

LIFECYCLE = {
    "runImage": {
        "topLayer": "sha256:" + "1" * 64,
        "reference": "abc",
        "image": "acme/run",
        "mirrors": ["reg.example.com/run"],
    }
}
BUILD = {
    "buildpacks": [{"id": "acme/bp", "version": "1", "homepage": "https://example.com"}],
    "processes": [
        {"type": "hello", "command": ["echo", "a"], "args": ["b"], "direct": True},
        {"type": "web", "command": "./run", "args": ["8080"], "direct": False, "working-dir": "/other"},
    ],
}


def stored(**changes: Any) -> StoredImage:
    labels = {
        "io.buildpacks.stack.id": "acme.stack",
        "io.buildpacks.lifecycle.metadata": json.dumps(LIFECYCLE),
        "io.buildpacks.build.metadata": json.dumps(BUILD),
    } | changes
    config = {"config": {"Entrypoint": ["/cnb/process/web"], "WorkingDir": "/workspace"}}
    return StoredImage(
        id="sha256:" + "2" * 64, config=config, diff_ids=(), labels={k: v for k, v in labels.items() if v}
    )


def inspected(image: StoredImage, config: Config | None = None) -> Inspected:
    return Inspected(name="app", remote=None, local=app_image(image, config or Config()))


def test_the_data_has_packs_keys_in_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    def written(data: dict[str, Any], form: str) -> str:
        write(data, form)
        return capsys.readouterr().out

    config = Config(run_images=(RunImageName(image="acme/run", mirrors=("mine/run",)),))

    data = as_data(inspected(stored(), config))

    assert data["local_info"] == {
        "stack": "acme.stack",
        "base_image": {"top_layer": "sha256:" + "1" * 64, "reference": "abc"},
        "run_images": [
            {"name": "mine/run", "user_configured": True},
            {"name": "acme/run"},
            {"name": "reg.example.com/run"},
        ],
        "buildpacks": [{"id": "acme/bp", "version": "1", "homepage": "https://example.com"}],
        "extensions": None,
        "processes": [
            {
                "type": "web",
                "shell": "bash",
                "command": "./run",
                "default": True,
                "args": ["8080"],
                "working-dir": "/other",
            },
            {
                "type": "hello",
                "shell": "",
                "command": "echo",
                "default": False,
                "args": ["a", "b"],
                "working-dir": "/workspace",
            },
        ],
        "rebasable": True,
    }
    assert json.loads(written(data, "json")) == data
    as_yaml = yaml.safe_load(written(with_lists(data), "yaml"))
    assert as_yaml["local_info"]["extensions"] == []
    assert as_yaml["local_info"]["processes"] == data["local_info"]["processes"]
    as_toml = toml.load(written(data, "toml").encode(), file="out").raw()
    assert as_toml["local_info"]["processes"] == data["local_info"]["processes"]
    assert "remote_info" not in as_toml


def test_people_see_the_registry_first_then_the_engine() -> None:
    assert human_text(inspected(stored())) == (
        "Inspecting image: 'app'\n\n\nREMOTE:\n\n(not present)\n\n\nLOCAL:\n\n"
        "Stack: acme.stack\n\n"
        "Base Image:\n  Reference: abc\n  Top Layer: sha256:" + "1" * 64 + "\n\n"
        "Run Images:\n  acme/run\n  reg.example.com/run\n\n"
        "Rebasable: true\n\n"
        "Buildpacks:\n"
        "  ID             VERSION        HOMEPAGE\n"
        "  acme/bp        1              https://example.com\n\n"
        "Processes:\n"
        "  TYPE                 SHELL        COMMAND        ARGS        WORK DIR\n"
        "  web (default)        bash         ./run          8080        /other\n"
        "  hello                             echo           a b         /workspace\n\n"
    )


def test_an_image_may_forbid_rebasing_and_have_extensions() -> None:
    build = {**BUILD, "extensions": [{"id": "acme/ext", "version": "2"}]}
    image = stored(**{"io.buildpacks.rebasable": "false", "io.buildpacks.build.metadata": json.dumps(build)})

    text = human_text(inspected(image))

    assert "Rebasable: false\n" in text
    assert (
        "Extensions:\n  ID              VERSION        HOMEPAGE\n  acme/ext        2              -\n" in text
    )


def test_control_characters_of_a_label_do_not_reach_the_terminal() -> None:
    build = {"buildpacks": [{"id": "evil\x1b[2J\nline", "version": "1"}]}

    text = human_text(inspected(stored(**{"io.buildpacks.build.metadata": json.dumps(build)})))

    assert "\x1b" not in text
    assert "evil\\x1b[2J\\nline" in text


@pytest.mark.parametrize(
    "labels",
    [
        {"io.buildpacks.lifecycle.metadata": "", "io.buildpacks.build.metadata": ""},
        {"io.buildpacks.lifecycle.metadata": "[]"},
        {"io.buildpacks.build.metadata": "{"},
    ],
)
def test_an_image_that_says_nothing_or_nonsense_is_refused(labels: dict[str, str]) -> None:
    with pytest.raises(InvalidFile):
        app_image(stored(**labels), Config())
