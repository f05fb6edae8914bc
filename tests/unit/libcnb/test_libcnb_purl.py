"""Package URLs, compared with the reference library's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from pybuild.libcnb import purl


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (purl.pypi("Django_Rest", "5.0.1+local"), "pkg:pypi/django-rest@5.0.1%2Blocal"),
        (purl.npm("@Angular/CLI", "17.0.0-rc.1"), "pkg:npm/%40Angular/cli@17.0.0-rc.1"),
        (purl.npm("express", "4.18.2"), "pkg:npm/express@4.18.2"),
        (
            purl.golang("github.com/BurntSushi/toml/v2", "v1.3.2+incompatible"),
            "pkg:golang/github.com/BurntSushi/toml/v2@v1.3.2%2Bincompatible",
        ),
        (
            purl.maven("org.slf4j", "slf4j-api", "2.0.9", qualifiers={"type": "jar", "classifier": ""}),
            "pkg:maven/org.slf4j/slf4j-api@2.0.9?type=jar",
        ),
        (
            purl.gem("nokogiri", "1.16.0", platform="x86_64-linux"),
            "pkg:gem/nokogiri@1.16.0?platform=x86_64-linux",
        ),
        (purl.cargo("serde_json", "1.0.1"), "pkg:cargo/serde_json@1.0.1"),
        (purl.composer("Symfony/HTTP-Kernel", "v7.0.1"), "pkg:composer/symfony/http-kernel@v7.0.1"),
        (purl.generic("my app", ""), "pkg:generic/my%20app"),
        (
            purl.deb(
                "g++", "4:12.2~a+b", distro="debian", qualifiers={"distro": "debian-12", "arch": "amd64"}
            ),
            "pkg:deb/debian/g%2B%2B@4:12.2~a%2Bb?arch=amd64&distro=debian-12",
        ),
    ],
)
def test_a_package_url_is_spelled_as_in_its_specification(made: str, expected: str) -> None:
    assert made == expected
    assert PackageURL.from_string(made).to_string() == expected


_TEXT = st.text(
    st.characters(
        min_codepoint=33, max_codepoint=0x2FFF, exclude_characters="/?#@&=", exclude_categories=("Cs", "Z")
    ),
    min_size=1,
    max_size=12,
).filter(lambda text: text == text.strip() and text not in (".", ".."))


@given(
    kind=st.sampled_from(["deb", "maven", "golang", "cargo", "gem"]),
    namespace=_TEXT,
    name=_TEXT,
    version=_TEXT,
    value=_TEXT,
)
def test_whatever_the_texts_the_reference_library_spells_them_the_same(
    kind: str, namespace: str, name: str, version: str, value: str
) -> None:
    ours = purl.purl(kind, name, version, namespace=namespace, qualifiers={"arch": value})

    assert ours == PackageURL(kind, namespace, name, version, {"arch": value}).to_string()
