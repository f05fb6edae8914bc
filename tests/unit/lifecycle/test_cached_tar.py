"""What a cache's tar may hold, entry by entry: each rule alone, with all others kept (S-26, S-27)."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidArchive
from pybuild.lifecycle.cached_tar import below
from pybuild.oci import tar

FOLDER = "/layers/acme/l"


def entry(name: str, kind: bytes = tar.FILE, *, link: str = "") -> tar.TarEntry:
    return tar.TarEntry(name.encode(), kind, 0o4755, 0, 0, 0, linkname=link.encode())


def read(*entries: tar.TarEntry) -> list[tuple[str, bytes, str]]:
    given = (entry("/layers/acme", tar.DIRECTORY), entry(FOLDER, tar.DIRECTORY), *entries)
    archive = b"".join(below(tar.write((each, b"") for each in given), FOLDER, uid=7, gid=8))
    return [
        (member.name.decode(), member.kind, member.linkname.decode()) for member, _ in tar.read([archive])
    ]


def test_what_lies_below_the_folder_is_named_from_there() -> None:
    found = read(
        entry(f"{FOLDER}/d", tar.DIRECTORY),
        entry(f"{FOLDER}/d/file"),
        entry(f"{FOLDER}/d/link", tar.SYMLINK, link="/etc/passwd"),
        entry(f"{FOLDER}/hard", tar.HARD_LINK, link=f"{FOLDER}/d/file"),
    )

    assert found == [
        (".", tar.DIRECTORY, ""),
        ("d", tar.DIRECTORY, ""),
        ("d/file", tar.FILE, ""),
        ("d/link", tar.SYMLINK, "/etc/passwd"),
        ("hard", tar.HARD_LINK, "d/file"),
    ]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry("/tmp/x")], "does not belong to"),
        ([entry("/workspace/x")], "does not belong to"),
        ([entry("/layers/acme/other")], "does not belong to"),
        ([entry("/layers/acme/l2")], "does not belong to"),
        ([entry(f"{FOLDER}/../l/x")], "does not belong to"),
        ([entry(f"{FOLDER}/./x")], "does not belong to"),
        ([entry(f"{FOLDER}/d", tar.DIRECTORY), entry(f"{FOLDER}/d/..")], "does not belong to"),
        ([entry(f"{FOLDER}/way", tar.SYMLINK, link="/etc"), entry(f"{FOLDER}/way/x")], "in no directory"),
        ([entry(f"{FOLDER}/file"), entry(f"{FOLDER}/file/x")], "in no directory"),
        ([entry(f"{FOLDER}/none/x")], "in no directory"),
        ([entry(f"{FOLDER}/d", tar.DIRECTORY), entry(f"{FOLDER}/d", tar.SYMLINK, link="/")], "two things"),
        ([entry(FOLDER, tar.SYMLINK, link="/etc")], "is no directory in the archive"),
        ([entry(f"{FOLDER}/null", tar.CHARACTER)], "is a device"),
        ([entry(f"{FOLDER}/disk", tar.BLOCK_DEVICE)], "is a device"),
        ([entry(f"{FOLDER}/hard", tar.HARD_LINK, link="/etc/passwd")], "does not belong to"),
        ([entry(f"{FOLDER}/hard", tar.HARD_LINK, link=f"{FOLDER}/none")], "no file"),
        (
            [
                entry(f"{FOLDER}/s", tar.SYMLINK, link="/x"),
                entry(f"{FOLDER}/h", tar.HARD_LINK, link=f"{FOLDER}/s"),
            ],
            "no file",
        ),
    ],
)
def test_anything_that_could_end_up_elsewhere_is_refused(entries: list[tar.TarEntry], said: str) -> None:
    with pytest.raises(InvalidArchive, match=said):
        read(*entries)
