"""Reading what engines of all ages save."""

from __future__ import annotations

import gzip
import json

import pytest

from pybuild.errors import InvalidArchive
from pybuild.oci import tar
from pybuild.oci.digest import sha256
from pybuild.stores.saved import SavedImage

LOW, HIGH = b"low" * 1000, b"high" * 1000


def _archive(layers: dict[str, bytes], **extra: bytes) -> bytes:
    """An image of LOW and HIGH, whose layers are in these files."""
    config = json.dumps({"rootfs": {"diff_ids": [sha256(LOW), sha256(HIGH)]}}).encode()
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": list(layers)}]
    files = {**layers, "config.json": config, "manifest.json": json.dumps(manifest).encode(), **extra}
    return b"".join(tar.write((_file(name, content), content) for name, content in files.items()))


def _file(name: str, content: bytes) -> tar.TarEntry:
    return tar.TarEntry(name.encode(), tar.FILE, 0o644, 0, 0, len(content))


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param({"aa/layer.tar": LOW, "bb/layer.tar": HIGH}, id="legacy"),
        pytest.param({"blobs/sha256/aa": gzip.compress(LOW), "blobs/sha256/bb": HIGH}, id="compressed"),
    ],
)
def test_layers_are_found_by_diff_id(layers: dict[str, bytes]) -> None:
    with SavedImage([_archive(layers)]) as saved:
        assert b"".join(saved.layer(sha256(HIGH))) == HIGH
        assert b"".join(saved.layer(sha256(LOW))) == LOW
        assert (saved.size(sha256(LOW)), saved.size(sha256(HIGH))) == (len(LOW), len(HIGH))


def test_a_layer_may_be_a_link_to_an_equal_one() -> None:
    link = tar.TarEntry(b"bb/layer.tar", tar.SYMLINK, 0o777, 0, 0, 0, b"../aa/layer.tar")
    config = json.dumps({"rootfs": {"diff_ids": [sha256(LOW)]}}).encode()
    manifest = json.dumps([{"Config": "c", "Layers": ["bb/layer.tar"]}]).encode()
    files = {"aa/layer.tar": LOW, "c": config, "manifest.json": manifest}
    data = b"".join(
        tar.write([(link, b""), *((_file(name, content), content) for name, content in files.items())])
    )

    with SavedImage([data]) as saved:
        assert b"".join(saved.layer(sha256(LOW))) == LOW


def test_other_content_than_the_diff_id_says_is_refused() -> None:
    with (
        SavedImage([_archive({"a": HIGH, "b": HIGH})]) as saved,
        pytest.raises(InvalidArchive, match="other content"),
    ):
        list(saved.layer(sha256(LOW)))


@pytest.mark.parametrize(
    "manifest", [b"[]", b"{}", b"[1]", b"junk", b'[{"Config":"../../etc/passwd","Layers":[]}]', b"[" * 5000]
)
def test_an_unusable_index_is_refused(manifest: bytes) -> None:
    with pytest.raises(InvalidArchive, match=r"manifest\.json"):
        SavedImage([_archive({"a": LOW}, **{"manifest.json": manifest})])


def test_a_layer_that_is_not_there_is_refused() -> None:
    with (
        SavedImage([_archive({"a": LOW, "b": HIGH})]) as saved,
        pytest.raises(InvalidArchive, match="without the layer"),
    ):
        list(saved.layer("sha256:" + "0" * 64))


def test_a_layer_that_cannot_be_decompressed_is_refused() -> None:
    with (
        SavedImage([_archive({"a": b"\x1f\x8bjunk", "b": HIGH})]) as saved,
        pytest.raises(InvalidArchive, match=r"decompressed|ends too soon"),
    ):
        list(saved.layer(sha256(LOW)))
