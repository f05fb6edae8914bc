"""Archives of others: what is written, and all that is refused."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from pybuild.libcnb.archive import unpack
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path


def member(
    name: str, kind: bytes = tarfile.REGTYPE, *, mode: int = 0o644, link: str = "", size: int = 0
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, link, size
    return info


def tar(path: Path, *members: tarfile.TarInfo, how: str = "w:gz") -> Path:
    with tarfile.open(path, how) as archive:  # type: ignore[call-overload]
        for info in members:
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return path


def tree(root: Path) -> dict[str, str]:
    """Mode of files, target of links, by relative path."""
    return {
        str(path.relative_to(root)): f"-> {path.readlink()}"
        if path.is_symlink()
        else f"{path.stat().st_mode & 0o7777:o}"
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("how", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_unpacked_without_its_leading_folder(tmp_path: Path, how: str) -> None:
    archive = tar(
        tmp_path / "node.tar",
        member("node-v1/", tarfile.DIRTYPE, mode=0o755),
        member("node-v1/bin/node", mode=0o4755, size=9),
        member("node-v1/LICENSE", mode=0o600, size=1),
        member("node-v1/bin/npm", tarfile.SYMTYPE, link="../lib/npm.js"),
        member("node-v1/lib/npm.js", size=3),
        member("node-v1/bin/nodejs", tarfile.LNKTYPE, link="node-v1/bin/node"),
        how=how,
    )

    unpack(archive, tmp_path / "to", strip=1)

    assert tree(tmp_path / "to") == {
        "LICENSE": "644",
        "bin/node": "755",
        "bin/nodejs": "755",
        "bin/npm": "-> ../lib/npm.js",
        "lib/npm.js": "644",
    }
    assert (tmp_path / "to/bin/npm").read_bytes() == b"xxx"


def test_a_zip_is_unpacked_with_modes_and_links_where_it_has_them(tmp_path: Path) -> None:
    archive = tmp_path / "go.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("go/VERSION", "1")
        for name, mode, text in (
            ("go/bin/go", stat.S_IFREG | 0o755, "program"),
            ("go/latest", stat.S_IFLNK | 0o777, "bin/go"),
        ):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            made.writestr(info, text)

    unpack(archive, tmp_path / "to", strip=1)

    assert tree(tmp_path / "to") == {"VERSION": "644", "bin/go": "755", "latest": "-> bin/go"}


def test_only_what_is_wanted_is_written(tmp_path: Path) -> None:
    archive = tar(tmp_path / "a.tar", member("a/bin/x", size=1), member("a/share/doc/x", size=1))

    unpack(archive, tmp_path / "to", strip=1, wanted=lambda name: name.startswith("bin/"))

    assert tree(tmp_path / "to") == {"bin/x": "644"}


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([member("../x", size=1)], "leads out"),
        ([member("a/../../x", size=1)], "leads out"),
        ([member("/etc/x", size=1)], "leads out"),
        ([member("x", tarfile.SYMTYPE, link="/etc/passwd")], "a link that leads out"),
        ([member("a/x", tarfile.SYMTYPE, link="../../etc")], "a link that leads out"),
        ([member("x", tarfile.LNKTYPE, link="../x")], "leads out"),
        ([member("x", tarfile.LNKTYPE, link="y")], "not there"),
        (
            [
                member("x", tarfile.SYMTYPE, link="y"),
                member("y", size=1),
                member("z", tarfile.LNKTYPE, link="x"),
            ],
            "not there",
        ),
        ([member("x", tarfile.FIFOTYPE)], "neither a file"),
        ([member("x", tarfile.CHRTYPE)], "neither a file"),
        # A link to a folder above, and then a name through it.
        (
            [
                member("p/q/", tarfile.DIRTYPE, mode=0o755),
                member("p/q/up", tarfile.SYMTYPE, link="../.."),
                member("p/q/up/out", tarfile.SYMTYPE, link="../../.."),
            ],
            "no folder",
        ),
        ([member("x", size=2000)], "more bytes"),
    ],
)
def test_an_entry_that_could_do_harm_is_refused(
    tmp_path: Path, members: list[tarfile.TarInfo], why: str
) -> None:
    archive = tar(tmp_path / "a.tar", *members)

    with pytest.raises(Problem) as caught:
        unpack(archive, tmp_path / "to", limit=1000)

    assert why in caught.value.found
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "to"]


def test_a_file_replaces_a_link_and_is_not_written_through_it(tmp_path: Path) -> None:
    archive = tar(
        tmp_path / "a.tar",
        member("kept", size=5),
        member("x", tarfile.SYMTYPE, link="kept"),
        member("x", size=1),
    )

    unpack(archive, tmp_path / "to")

    assert ((tmp_path / "to/kept").stat().st_size, (tmp_path / "to/x").read_bytes()) == (5, b"x")


@pytest.mark.parametrize("data", [b"", b"not an archive", b"\x1f\x8b\x08\x00"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(data)

    with pytest.raises(Problem, match="An archive cannot be read"):
        unpack(tmp_path / "a.tar", tmp_path / "to")


def test_a_zip_whose_content_is_damaged_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    """zlib has an error of its own, which is none of zipfile's."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("file", b"content " * 200)
    data = bytearray(path.read_bytes())
    start = 30 + len("file")
    data[start : start + 12] = b"\xff" * 12
    path.write_bytes(data)

    with pytest.raises(Problem, match="cannot be read"):
        unpack(path, tmp_path / "out", limit=1 << 20)


def test_a_zip_whose_file_begins_before_the_archive_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("file", "content")
    data = bytearray(path.read_bytes())
    # The end of an archive says where its list of files begins: a little later than it does.
    at = data.rindex(b"PK\x05\x06") + 16
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "little") + 7).to_bytes(4, "little")
    path.write_bytes(data)

    with pytest.raises(Problem, match="cannot be read") as caught:
        unpack(path, tmp_path / "out")

    assert "begins before the file does" in caught.value.found


def test_an_entry_of_a_zip_without_a_name_is_passed_over(tmp_path: Path) -> None:
    """Found by fuzzing; Python's own `is_dir` wants a name."""
    archive = tmp_path / "nameless.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a", "1")
        made.writestr(zipfile.ZipInfo("b"), "2")
    content = archive.read_bytes()
    at = content.rindex(b"PK\x01\x02")
    # Of the second entry's name, the length is in bytes 28 and 29 of its place in the list.
    nameless = content[: at + 28] + b"\0\0" + content[at + 30 : at + 46] + content[at + 47 :]
    size = int.from_bytes(nameless[-10:-6], "little") - 1
    archive.write_bytes(nameless[:-10] + size.to_bytes(4, "little") + nameless[-6:])

    unpack(archive, tmp_path / "to")

    assert tree(tmp_path / "to") == {"a": "644"}
