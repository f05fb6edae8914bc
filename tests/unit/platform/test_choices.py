"""The further words of a build."""

from __future__ import annotations

import pytest

from pybuild import events
from pybuild.errors import InvalidInput
from pybuild.platform.choices import Choices, read_choices


def test_nothing_said_is_the_builders_word() -> None:
    assert read_choices() == Choices()


def test_lists_may_be_written_with_commas() -> None:
    assert read_choices(pre_buildpacks=("a,b", "c")).before == ("a", "b", "c")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"uid": 0}, "never run as root"),
        ({"uid": -1}, "expected 0 to 2147483647"),
        ({"gid": 1 << 31}, "expected 0 to 2147483647"),
        ({"exec_env": "a b"}, "is no execution environment"),
        ({"platform": "amd64"}, "is no platform"),
        ({"previous_image": "UPPER"}, "is no image name"),
    ],
)
def test_a_word_that_means_nothing_is_refused(words: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        read_choices(**words)  # type: ignore[arg-type]


def test_what_changes_nothing_is_accepted_and_explained() -> None:
    told: list[events.Event] = []

    with events.listening(told.append):
        found = read_choices(lifecycle_image="acme/lifecycle:1", docker_host="inherit")

    assert found == Choices()
    assert [type(event).__name__ for event in told] == ["Detail", "Warned"]
