"""A layer that was made elsewhere, written anew as Go's archive/tar does it: every format stays what it was.

The digests are of what Go 1.26 made of the same archives; the Go lifecycle's own tests have layers in GNU's format.
"""

from __future__ import annotations

import io
import tarfile

import pytest

from pybuild.lifecycle.extended import normalized
from pybuild.oci.digest import sha256

ENTRIES = (
    ("dir", tarfile.DIRTYPE, b"", "", 0o4755, 1000),
    ("dir/file", tarfile.REGTYPE, b"hello" * 200, "", 0o644, 1000),
    ("dir/link", tarfile.SYMTYPE, b"", "file", 0o644, 1000),
    ("dir/hard", tarfile.LNKTYPE, b"", "dir/file", 0o644, 1000),
    ("d/" + "x" * 150, tarfile.REGTYPE, b"y", "", 0o644, 1000),
    ("d/" + "l" * 10, tarfile.SYMTYPE, b"", "t/" * 80, 0o644, 1000),
    ("a" * 99 + "/" + "b" * 20, tarfile.REGTYPE, b"z", "", 0o644, 1000),
    ("a" * 99 + "/", tarfile.DIRTYPE, b"", "", 0o644, 1000),
    ("caf\u00e9", tarfile.REGTYPE, b"1", "", 0o644, 1000),
    ("big-uid", tarfile.REGTYPE, b"2", "", 0o644, 3_000_000),
    ("dev", tarfile.CHRTYPE, b"", "", 0o644, 1000),
    ("fifo", tarfile.FIFOTYPE, b"", "", 0o644, 1000),
)


def archive(form: int) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as tar:
        for name, kind, content, link, mode, uid in ENTRIES:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, len(content), link
            entry.mode, entry.uid, entry.gid, entry.mtime, entry.uname = mode, uid, 5, 1700000000, "me"
            if kind == tarfile.CHRTYPE:
                entry.devmajor, entry.devminor = 1, 3
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


@pytest.mark.parametrize(
    ("form", "digest"),
    [
        (tarfile.GNU_FORMAT, "d910c1dc7873a8b4c143f99f7cd8e897bfadb2df781dd1395a3c79fe0b514d91"),
        (tarfile.PAX_FORMAT, "472c0290f5dc0b1de9ab2f19623ab1de7202f800737e4e3b49ab5c43d4b2de49"),
    ],
    ids=["gnu", "pax"],
)
def test_a_layer_is_what_go_makes_of_it(form: int, digest: str) -> None:
    """EXP-03."""
    assert sha256(b"".join(normalized([archive(form)]))) == f"sha256:{digest}"


def test_written_anew_it_stays_what_it_is() -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        once = b"".join(normalized([archive(form)]))

        assert b"".join(normalized([once])) == once
