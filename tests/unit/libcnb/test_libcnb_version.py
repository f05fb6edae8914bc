"""What version constraints have in common."""

from __future__ import annotations

import pytest

from pybuild.libcnb import version
from pybuild.libcnb.version import Test, newest, numbers

HAD = ("8.1.9", "8.1.10", "8.2.0", "8.2.36", "9.0.0", "10.0.0", "11.0.0-rc1")


@pytest.mark.parametrize(
    ("accepts", "expected"),
    [
        (version.anything, "10.0.0"),
        (version.series("8.1"), "8.1.10"),
        (version.series("8"), "8.2.36"),
        (version.series("8.2.0"), "8.2.0"),
        (version.compatible("8.1.9"), "8.2.36"),
        (version.below(numbers("8.2")), "8.1.10"),
        (version.at_least(numbers("9.1")), "10.0.0"),
        (version.at_least(numbers("10.1")), ""),
    ],
)
def test_the_newest_release_that_passes_is_chosen_by_its_numbers(accepts: Test, expected: str) -> None:
    assert newest(HAD, accepts) == expected


@pytest.mark.parametrize(
    ("wanted", "found", "passes"),
    [
        ("1.2.3", "1.9.0", True),
        ("1.2.3", "1.2.2", False),
        ("1.2.3", "2.0.0", False),
        ("0.2.3", "0.2.9", True),
        ("0.2.3", "0.3.0", False),
        ("0.0.3", "0.0.3", True),
        ("0.0.3", "0.0.4", False),
        ("0", "0.9.9", True),
        ("0.0", "0.0.9", True),
    ],
)
def test_a_compatible_version_breaks_nothing(wanted: str, found: str, passes: bool) -> None:
    assert version.compatible(wanted)(numbers(found)) is passes


def test_numbers_are_read_with_what_stands_around_them() -> None:
    assert (numbers("v20.1"), numbers("go1.22.3")) == ((20, 1, 0), (1, 22, 3))
