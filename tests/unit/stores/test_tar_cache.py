"""The cache of tars: verified before use, committed whole or not at all, in the Go lifecycle's folders (GO-02, GO-05, GO-07)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.errors import PybuildError
from pybuild.oci.digest import sha256
from pybuild.spec.cache import CACHE_METADATA, CacheMetadata
from pybuild.spec.labels import BuildpackLayers, LayerMetadata
from pybuild.stores.api import Layer, UnusableLayer
from pybuild.stores.tar_cache import TarCache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PIECE = b"piece" * 10_000
CONTENT = b"some layer" * 100
DIGEST = sha256(CONTENT)
METADATA = CacheMetadata(
    sbom=DIGEST,
    buildpacks=(
        BuildpackLayers(
            id="ex/a", version="1", layers={"l": LayerMetadata(sha=DIGEST, data={"v": "<1>"}, cache=True)}
        ),
        BuildpackLayers(id="b", version="2", layers={}),
    ),
)


def filled(folder: Path) -> TarCache:
    cache = TarCache.open(str(folder))
    assert cache.add([CONTENT[:7], CONTENT[7:]]) == DIGEST
    cache.commit(METADATA)
    return TarCache.open(str(folder))


def content(cache: TarCache, diff_id: str = DIGEST) -> bytes:
    return b"".join(cache.read(diff_id))


def test_what_was_committed_is_there_the_next_time(tmp_path: Path) -> None:
    cache = filled(tmp_path)

    assert content(cache) == CONTENT
    assert cache.size(DIGEST) == len(CONTENT)
    assert cache.metadata() == METADATA
    assert sorted(path.name for path in tmp_path.iterdir()) == ["committed", "staging"]
    assert sorted(path.name for path in (tmp_path / "committed").iterdir()) == [
        CACHE_METADATA,
        f"{DIGEST}.tar",
    ]


def test_the_metadata_is_the_go_lifecycles_to_the_byte(tmp_path: Path) -> None:
    """GO-05."""
    filled(tmp_path)

    text = (tmp_path / "committed" / CACHE_METADATA).read_text()

    assert text == (
        f'{{"sbom":{{"sha":"{DIGEST}"}},"buildpacks":[{{"key":"ex/a","version":"1","layers":{{"l":{{"sha":"{DIGEST}",'
        '"data":{"v":"\\u003c1\\u003e"},"build":false,"launch":false,"cache":true}}},'
        '{"key":"b","version":"2","layers":{}}]}\n'
    )


def test_what_is_not_committed_does_not_count(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    other = cache.add([b"other"])

    again = TarCache.open(str(tmp_path))

    assert content(again) == CONTENT
    with pytest.raises(UnusableLayer, match="has no usable layer"):
        content(again, other)


def test_a_layer_that_no_build_keeps_is_gone_after_the_commit(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    other = cache.add([b"other"])
    cache.commit(CacheMetadata())

    again = TarCache.open(str(tmp_path))

    assert content(again, other) == b"other"
    assert again.size(DIGEST) == 0


def test_a_kept_layer_is_not_copied(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    before = (tmp_path / "committed" / f"{DIGEST}.tar").stat().st_ino
    cache.keep(DIGEST)
    cache.keep(DIGEST)
    assert cache.has_staged(DIGEST)
    cache.commit(METADATA)

    assert (tmp_path / "committed" / f"{DIGEST}.tar").stat().st_ino == before


def test_a_layer_whose_content_has_passed_on_its_way_to_the_image_is_not_read_again(tmp_path: Path) -> None:
    cache = TarCache.open(str(tmp_path))
    assert b"".join(cache.copying([CONTENT[:7], CONTENT[7:]])) == CONTENT

    def read_again() -> Iterator[bytes]:
        raise AssertionError("read again")

    layer = Layer(diff_id=DIGEST, size=len(CONTENT), open=read_again, created_by="ex/a:l")
    assert cache.write([layer], lambda _: METADATA) == [DIGEST]

    assert content(TarCache.open(str(tmp_path))) == CONTENT


def test_a_damaged_copy_of_a_layer_that_came_anew_is_told_of_and_replaced(tmp_path: Path) -> None:
    """GO-07."""
    cache = filled(tmp_path)
    (tmp_path / "committed" / f"{DIGEST}.tar").write_bytes(b"short")
    assert b"".join(cache.copying([CONTENT])) == CONTENT
    heard: list[events.Event] = []

    with events.listening(heard.append):
        cache.write(
            [Layer(diff_id=DIGEST, size=len(CONTENT), open=lambda: iter(()), created_by="ex/a:l")],
            lambda _: METADATA,
        )

    assert [event.text for event in heard if isinstance(event, events.Warned)] == [
        f"Skipping reuse for layer ex/a:l: expected layer contents to have SHA '{DIGEST}'; found '{sha256(b'short')}'"
    ]
    assert content(TarCache.open(str(tmp_path))) == CONTENT


def test_a_copy_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    cache = TarCache.open(str(tmp_path))

    def breaking() -> Iterator[bytes]:
        yield CONTENT
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(cache.copying(breaking()))

    assert list((tmp_path / "staging").iterdir()) == []


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


def _link(path: Path) -> None:
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [_flip, _cut, _link, _fifo], ids=lambda it: it.__name__.strip("_"))
def test_a_damaged_layer_is_never_given(tmp_path: Path, damage: object) -> None:
    """GO-07, CCH-04."""
    cache = filled(tmp_path)
    damage(tmp_path / "committed" / f"{DIGEST}.tar")  # type: ignore[operator]

    with pytest.raises(UnusableLayer):
        content(cache)
    with pytest.raises(UnusableLayer):
        cache.keep(DIGEST)


@pytest.mark.parametrize("name", ["../../etc/passwd", "sha256:xyz", "", f"{DIGEST}\n"])
def test_only_digests_name_layers(tmp_path: Path, name: str) -> None:
    cache = filled(tmp_path)

    with pytest.raises(UnusableLayer, match="names no layer"):
        content(cache, name)
    assert cache.size(name) == 0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"buildpacks":3}', '{"buildpacks":[{"key":"a","layers":{"..":{}}}]}']
)
def test_metadata_that_cannot_be_read_is_an_empty_cache(tmp_path: Path, text: str) -> None:
    """CCH-04, S-28."""
    cache = filled(tmp_path)
    (tmp_path / "committed" / CACHE_METADATA).write_text(text)

    assert cache.metadata() == CacheMetadata()


def test_null_in_the_metadata_of_an_empty_cache_is_nothing(tmp_path: Path) -> None:
    cache = TarCache.open(str(tmp_path))
    cache.commit(CacheMetadata())
    cache = TarCache.open(str(tmp_path))

    text = (tmp_path / "committed" / CACHE_METADATA).read_text()

    assert json.loads(text) == {"sbom": {"sha": ""}, "buildpacks": None}
    assert cache.metadata() == CacheMetadata()


def test_a_commit_that_was_killed_halfway_loses_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "committed").rename(tmp_path / "committed-backup")

    assert content(TarCache.open(str(tmp_path))) == CONTENT


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "staging/x").mkdir()
    (tmp_path / "committed-backup").mkdir()

    TarCache.open(str(tmp_path))

    assert list((tmp_path / "staging").iterdir()) == []
    assert not (tmp_path / "committed-backup").exists()


def test_a_cache_directory_has_to_exist(tmp_path: Path) -> None:
    """GO-03."""
    with pytest.raises(PybuildError, match="does not exist") as caught:
        TarCache.open(str(tmp_path / "missing"))

    assert caught.value.exit_code == 1


def test_a_copy_that_has_no_room_does_not_stop_what_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = TarCache.open(str(tmp_path))
    told: list[events.Event] = []

    def full() -> Iterator[bytes]:
        yield _PIECE
        yield from _without_room()

    with events.listening(told.append):
        passed = b"".join(cache.copying(full()))

    assert passed == _PIECE * 2
    assert any(isinstance(each, events.Warned) for each in told)
    assert not cache.has_staged(sha256(passed))
    assert list((tmp_path / "staging").iterdir()) == []


def _without_room() -> Iterator[bytes]:
    """One more piece, for which the file that is open now has no room: its limit is reached."""
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield _PIECE
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
