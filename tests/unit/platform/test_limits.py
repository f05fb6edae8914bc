"""What a build may take of the machine, in words."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidInput
from pybuild.platform.limits import Limits, read_limits


@pytest.mark.parametrize(("word", "size"), [(None, 1 << 30), ("0", 0), ("100m", 100 << 20), ("1000", 1000)])
def test_a_limit_of_output_may_be_any_size_and_is_there_without_a_word(word: str | None, size: int) -> None:
    assert read_limits(memory=None, cpus=None, processes=None, log=word).log == size


@pytest.mark.parametrize("word", ["much", "-1", "1.5.5g", "10 pb"])
def test_an_amount_of_output_that_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match=r"--log-limit .* is no amount of output"):
        read_limits(memory=None, cpus=None, processes=None, log=word)


def test_no_word_is_no_limit_but_for_output() -> None:
    assert read_limits(memory=None, cpus=None, processes=None) == Limits()


@pytest.mark.parametrize(
    ("word", "size"),
    [("512m", 512 << 20), ("2g", 2 << 30), ("1.5GiB", 3 << 29), ("8388608", 8 << 20), ("10 MB", 10 << 20)],
)
def test_memory_counts_in_powers_of_1024(word: str, size: int) -> None:
    assert read_limits(memory=word, cpus=None, processes=None).memory == size


@pytest.mark.parametrize("word", ["lots", "-1g", "1x", "5m", "0", "g", "1" * 30])
def test_memory_that_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match="amount of memory"):
        read_limits(memory=word, cpus=None, processes=None)


@pytest.mark.parametrize(
    ("cpus", "processes"), [(0, None), (-1, None), (float("nan"), None), (None, 0), (None, -5)]
)
def test_less_than_nothing_is_refused(cpus: float | None, processes: int | None) -> None:
    with pytest.raises(InvalidInput):
        read_limits(memory=None, cpus=cpus, processes=processes)
