"""The Python API's own part: words become requests, events reach who listens, errors come out as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

import pybuild
from pybuild.api import _request
from pybuild.errors import EngineUnavailable, InvalidInput

NO_ENGINE = {"DOCKER_HOST": "unix:///nope/docker.sock"}


def test_mappings_and_numbers_are_what_the_command_has_words_for(tmp_path: Path) -> None:
    (tmp_path / "type").write_text("mysql")

    request = _request(
        "acme/app",
        {},
        {
            "path": str(tmp_path),
            "env": {"A": "1", "B": "x=y"},
            "labels": {"team": "shop"},
            "bindings": {"db": tmp_path},
            "creation_time": 86400,
            "env_files": ["vars"],
            "memory": "1g",
        },
    )

    assert (request.path, request.env, request.labels) == (tmp_path, ("A=1", "B=x=y"), (("team", "shop"),))
    assert [each.path for each in request.confided] == ["/platform/bindings/db/type"]
    assert (request.created, request.env_files, request.limits.memory) == (86400, (Path("vars"),), 1 << 30)


def test_what_means_nothing_is_refused_at_once() -> None:
    with pytest.raises(InvalidInput, match="no amount of memory"):
        pybuild.build("acme/app", memory="lots", environ=NO_ENGINE)
    with pytest.raises(InvalidInput, match="no amount of memory"):
        pybuild.Building("acme/app", memory="lots", environ=NO_ENGINE)


def test_an_error_is_raised_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pybuild.Building("acme/app", path=tmp_path, environ=NO_ENGINE) as building:
        heard, again = list(building), list(building)

    assert (heard, again) == ([], [])
    with pytest.raises(EngineUnavailable, match="/nope/"):
        _ = building.result
