"""API versions: BPT-01, and the ranges of §15 and §16."""

from __future__ import annotations

import pytest

from pybuild.errors import BuildpackApiUnsupported, InvalidInput, PlatformApiUnsupported
from pybuild.spec.api import (
    BUILDPACK_APIS,
    PLATFORM_APIS,
    ApiVersion,
    check_buildpack_api,
    check_platform_api,
)


@pytest.mark.parametrize(
    ("text", "version"),
    [("0.10", (0, 10)), ("v0.10", (0, 10)), ("1", (1, 0)), ("2.1", (2, 1)), ("0.", (0, 0))],
)
def test_a_version_is_read_and_a_missing_minor_is_zero(text: str, version: tuple[int, int]) -> None:
    """BPT-01, PKG-09."""
    assert ApiVersion.parse(text) == ApiVersion(*version)


@pytest.mark.parametrize("text", ["", "x", "0.9.1", "0.10 ", "-1.0", "0.1\n", "٠.٧", "0.1x", "9" * 5000])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"expected MAJOR\.MINOR"):
        ApiVersion.parse(text)


def test_versions_are_ordered_by_number_not_by_text() -> None:
    assert ApiVersion.parse("0.9") < ApiVersion.parse("0.10") < ApiVersion.parse("1.0")


def test_the_supported_ranges_are_those_of_the_go_lifecycle() -> None:
    assert [str(version) for version in (PLATFORM_APIS[0], PLATFORM_APIS[-1])] == ["0.7", "0.15"]
    assert [str(version) for version in (BUILDPACK_APIS[0], BUILDPACK_APIS[-1])] == ["0.7", "0.12"]


@pytest.mark.parametrize("text", ["0.7", "0.15", "v0.12"])
def test_a_supported_platform_api_is_taken(text: str) -> None:
    assert check_platform_api(text) in PLATFORM_APIS


@pytest.mark.parametrize("text", ["0.6", "0.16", "1.0", "", "latest"])
def test_another_platform_api_ends_with_exit_code_11_and_says_what_is_supported(text: str) -> None:
    """GEN-01, GEN-03."""
    with pytest.raises(PlatformApiUnsupported) as caught:
        check_platform_api(text)

    assert (caught.value.exit_code, caught.value.hint) == (11, "supported are 0.7 to 0.15")


@pytest.mark.parametrize("text", ["0.2", "0.13", "1.0", "", "x"])
def test_another_buildpack_api_ends_with_exit_code_12_and_names_the_buildpack(text: str) -> None:
    """GEN-02, GEN-03."""
    with pytest.raises(BuildpackApiUnsupported, match="acme/go@1") as caught:
        check_buildpack_api(text, "acme/go@1")

    assert (caught.value.exit_code, caught.value.hint) == (12, "supported are 0.7 to 0.12")


def test_a_supported_buildpack_api_is_taken() -> None:
    assert check_buildpack_api("0.10", "acme/go@1") == ApiVersion(0, 10)
