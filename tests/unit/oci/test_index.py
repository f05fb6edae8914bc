"""Image indexes as values."""

from __future__ import annotations

import json

import pytest

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.oci.index import DOCKER, OCI, Entry, Index

ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")


def entry(digest: str, arch: str = "amd64") -> Entry:
    return Entry(
        media_type="application/vnd.oci.image.manifest.v1+json",
        digest=digest,
        size=7,
        platform={"architecture": arch, "os": "linux"},
        annotations={},
    )


def test_what_is_written_is_read_as_the_same() -> None:
    index = Index(media_type=DOCKER, entries=(entry(ONE), entry(TWO, "arm64")))

    assert Index.read(index.write(), "index.json") == index


def test_an_image_that_is_added_again_takes_the_place_of_the_old_one() -> None:
    index = Index(entries=(entry(ONE), entry(TWO))).plus([entry(ONE, "arm64")])

    assert [(each.digest, each.platform["architecture"]) for each in index.entries] == [
        (TWO, "amd64"),
        (ONE, "arm64"),
    ]


def test_more_can_be_said_of_an_image() -> None:
    index = Index(entries=(entry(ONE),)).annotated(ONE, platform={"variant": "v8"}, annotations={"a": "b"})

    written = json.loads(index.write())["manifests"][0]

    assert written["platform"] == {"architecture": "amd64", "os": "linux", "variant": "v8"}
    assert written["annotations"] == {"a": "b"}


def test_an_image_that_is_not_there_cannot_be_taken_out() -> None:
    with pytest.raises(InvalidInput, match=TWO):
        Index(entries=(entry(ONE),)).without(TWO)


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b'{"mediaType": "application/vnd.oci.image.manifest.v1+json"}',
        b'{"manifests": [{"digest": "sha256:1", "size": 1}]}',
        b'{"manifests": [{}]}',
    ],
)
def test_what_is_no_index_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidFile, match=r"index\.json"):
        Index.read(text, "index.json")


def test_without_a_media_type_it_is_ocis() -> None:
    assert Index.read(b'{"schemaVersion": 2}', "index.json") == Index(media_type=OCI)
