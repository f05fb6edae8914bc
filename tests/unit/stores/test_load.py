"""What an engine's refusal of an image is to its user."""

from __future__ import annotations

import pytest

from pybuild.errors import DiskFull, ExportError
from pybuild.stores.load import LoadRefused, load_failure, refusal

LONG = "/var/lib/docker/overlay2/0123/diff/layers/acme_bp/long" + f"/{'n' * 255}" * 15


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("write /x: no space left on device", DiskFull, "no space left"),
        ("max depth exceeded", ExportError, "takes, which is 125"),
        (f"lstat {LONG}: file name too long", ExportError, "cannot keep /layers/acme_bp/long/nnn"),
        ("invalid diffID for layer 3", LoadRefused, "invalid diffID for layer 3"),
    ],
)
def test_a_limit_of_the_engine_is_told_as_what_it_is(said: str, kind: type[Exception], words: str) -> None:
    failure = load_failure(refusal({"errorDetail": {"message": said}}))

    # Only what is refused for reasons unknown is sent once more.
    assert type(failure) is kind
    assert words in str(failure)
    assert len(str(failure)) < 1100
