"""The app image's configuration from its parts (pure); whole recorded ones are in test_golden_images."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pybuild.errors import InvalidInput
from pybuild.lifecycle.image_config import CREATED, ConfigChanges, app_config, created_time
from pybuild.spec.api import ApiVersion

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")


def config(base: dict[str, Any] | None = None, *, api: int = 15, **changes: Any) -> Any:
    made: dict[str, Any] = {
        "created": CREATED,
        "created_by": ["Application Layer"],
        "layers_dir": "/layers",
        "app_dir": "/workspace",
        "platform_api": ApiVersion(0, api),
        "entrypoint": "/cnb/process/web",
    }
    given = {"architecture": "amd64", "os": "linux", **(base or {})}
    return json.loads(app_config(given, [A, B], ConfigChanges(**{**made, **changes})))


def environ(*old: str) -> list[str]:
    found: list[str] = config({"config": {"Env": list(old)}})["config"]["Env"]
    return found


OURS = [
    *("CNB_LAYERS_DIR=/layers", "CNB_APP_DIR=/workspace", "CNB_PLATFORM_API=0.15"),
    "CNB_DEPRECATION_MODE=quiet",
]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([], [*OURS, "PATH=/cnb/process:/cnb/lifecycle:"]),
        (["A=b=c", "PATH=/bin"], ["A=b=c", "PATH=/cnb/process:/cnb/lifecycle:/bin", *OURS]),
        (["PATH=/a=b"], ["PATH=/cnb/process:/cnb/lifecycle:", *OURS]),
        (
            ["CNB_APP_DIR=/old", "Z=1", "PATH="],
            ["CNB_APP_DIR=/workspace", "Z=1", "PATH=/cnb/process:/cnb/lifecycle:", OURS[0], *OURS[2:]],
        ),
    ],
)
def test_variables_are_replaced_in_place_or_added_in_this_order(old: list[str], new: list[str]) -> None:
    """EXP-14, GO-30"""
    assert environ(*old) == new


def test_what_the_exporter_sets_replaces_what_the_run_image_says() -> None:
    """EXP-03, EXP-13, EXP-15"""
    base = {
        "Cmd": ["sh"],
        "Entrypoint": ["/old"],
        "WorkingDir": "/old",
        "User": "1000:1000",
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGINT",
        "Labels": {"a": "old", "b": "kept"},
    }

    found = config({"config": base, "author": "me", "container": "abc"}, labels=[("a", "x"), ("a", "y")])

    assert found["author"] == "me"
    assert "container" not in found
    del found["config"]["Env"]
    assert found["config"] == {
        "Entrypoint": ["/cnb/process/web"],
        "WorkingDir": "/workspace",
        "User": "1000:1000",
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGINT",
        "Labels": {"a": "y", "b": "kept"},
    }


NEW = {"created": CREATED, "created_by": "Application Layer"}
BLANK = {"created": CREATED}


@pytest.mark.parametrize(
    ("api", "base", "expected"),
    [
        (15, [{"created": "2020-01-01T00:00:00Z", "created_by": "ADD", "author": "me"}], [{"author": "me", "created": CREATED, "created_by": "ADD"}, NEW]),
        (12, [{"created_by": "ADD"}, {"created_by": "ENV", "empty_layer": True}], [{"created": CREATED, "created_by": "ADD"}, NEW]),
        (12, [{"created_by": "ADD"}, {"created_by": "ENV"}], [BLANK, NEW]),
        (12, [], [BLANK, NEW]),
        (11, [{"created_by": "ADD"}], [BLANK, BLANK]),
        (7, [], [BLANK, BLANK]),
    ],
)  # fmt: skip
def test_the_history_has_one_item_for_each_layer(
    api: int, base: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    """GO-31 to GO-33, EXP-17"""
    assert config({"history": base}, api=api)["history"] == expected


def test_equal_inputs_give_equal_bytes_and_the_base_stays_as_it_was() -> None:
    """LBL-09"""
    base = {"config": {"Env": ["PATH=/bin"], "Labels": {"z": "1", "a": "2"}}, "history": []}
    before = json.dumps(base)

    assert config(base) == config(base)
    assert json.dumps(base) == before


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        (None, "1980-01-01T00:00:01Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-5, "1969-12-31T23:59:55Z"),
        (1700000000, "2023-11-14T22:13:20Z"),
        (-62135596800, "0001-01-01T00:00:00Z"),
        (253402300799, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_written_in_utc(epoch: int | None, text: str) -> None:
    assert created_time(epoch) == text


@pytest.mark.parametrize("epoch", [253402300800, -62135596801, 1 << 80])
def test_a_time_beyond_four_digit_years_is_refused(epoch: int) -> None:
    with pytest.raises(InvalidInput, match=f"the creation time {epoch} is out of range"):
        created_time(epoch)
