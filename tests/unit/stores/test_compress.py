"""Layers compressed for a registry and read back: equal bytes for equal tars, every damage found, memory flat."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidArchive
from pybuild.oci.digest import sha256
from pybuild.stores import compress

try:
    from compression import zstd
except ImportError:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENT = random.Random(7).randbytes(100_000) + bytes(3_000_000)


def pieces(data: bytes, size: int = 70_000) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.fixture(params=["isal", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways: the fast library, and where there is nothing but Python."""
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        monkeypatch.setitem(sys.modules, "isal", None)
    return str(request.param)


def test_a_layer_is_compressed_once_and_told_by_both_digests(library: str) -> None:
    packed = compress.pack(pieces(CONTENT))

    blob = b"".join(packed.pieces())
    assert gzip.decompress(blob) == CONTENT
    assert (packed.size, packed.digest) == (len(blob), sha256(blob))
    assert (packed.tar_size, packed.diff_id) == (len(CONTENT), sha256(CONTENT))
    assert b"".join(packed.pieces(1000)) == blob[1000:]


def test_equal_tars_become_equal_blobs_however_they_come(library: str) -> None:
    """GEN-17."""
    assert compress.pack(pieces(CONTENT)).digest == compress.pack(pieces(CONTENT, 1 << 20)).digest


def test_what_goes_wrong_while_a_layer_is_read_ends_its_compression(library: str) -> None:
    before = threading.active_count()

    def breaking() -> Iterator[bytes]:
        yield from pieces(CONTENT)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        compress.pack(breaking())

    assert threading.active_count() == before


def test_a_full_disk_ends_the_reading_of_a_layer_that_never_ends() -> None:
    """F-18."""
    program = (
        "import os, resource, signal\n"
        "from pybuild.stores import compress\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "try: compress.pack(iter(lambda: os.urandom(1 << 18), b''))\n"
        "except OSError as exc: print(exc.strerror)"
    )
    source = str(Path(__file__).parents[3] / "src")

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": source},
        capture_output=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == b"File too large\n"


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_what_was_compressed_reads_back_in_pieces_of_any_size(size: int, library: str) -> None:
    data = CONTENT[:3000]
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00note"
    blobs = [data]
    for squeeze in (gzip.compress, zstd.compress):
        blobs += [squeeze(data), squeeze(data[:100]) + squeeze(data[100:])]
    for blob in (*blobs, zstd.compress(data) + skipped):
        assert b"".join(compress.unpack(pieces(blob, size), diff_id=sha256(data))) == data


@pytest.mark.parametrize(
    ("blob", "said"),
    [
        (gzip.compress(CONTENT)[:-9], "ends too soon"),
        (gzip.compress(CONTENT)[:10] + b"\xff" * 100, "decompressed"),
        (gzip.compress(b"other", mtime=0), "other content"),
        (b"other", "other content"),
        (b"", "other content"),
        (b"\x28\xb5\x2f\xfd rest", "decompressed"),
        (zstd.compress(CONTENT)[:-9], "ends too soon"),
        (zstd.compress(b"other"), "other content"),
        (zstd.compress(CONTENT) + b"junk", "decompressed"),
        # A frame that wants 2 GiB to be remembered.
        (b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(40), "decompressed"),
    ],
)
def test_damage_is_found(blob: bytes, said: str, library: str) -> None:
    with pytest.raises(InvalidArchive, match=said):
        list(compress.unpack(pieces(blob), diff_id=sha256(CONTENT)))


@pytest.mark.parametrize("squeeze", [gzip.compress, zstd.compress])
def test_a_small_blob_that_holds_very_much_takes_little_memory_and_has_an_end(
    monkeypatch: pytest.MonkeyPatch, library: str, squeeze: Callable[[bytes], bytes]
) -> None:
    """S-44, G8."""
    monkeypatch.setattr(compress, "MAX_LAYER", 32 << 20)
    bomb = squeeze(bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(InvalidArchive, match="larger than"):
            for _ in compress.unpack([bomb], diff_id=sha256(b"")):
                pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 8 << 20


def test_without_a_reader_of_zstd_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(InvalidArchive, match="is compressed with zstd") as failed:
        list(compress.unpack([zstd.compress(b"x")], diff_id=sha256(b"x")))

    assert "pip install" in failed.value.hint
