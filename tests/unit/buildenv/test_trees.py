"""Trees in and out of this machine: nothing in a tar can reach beyond the folder it is unpacked into."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv import trees
from pybuild.buildenv.api import FileChanged
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuildError, InvalidArchive
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("secret")
    found = tmp_path / "root"
    found.mkdir()
    return found


def entry(
    name: bytes, kind: bytes = tar.FILE, *, content: bytes = b"", linkname: bytes = b"", mode: int = 0o644
) -> tuple[tar.TarEntry, bytes]:
    ids = (os.geteuid(), os.getegid())
    found = tar.TarEntry(
        name=name, kind=kind, mode=mode, uid=ids[0], gid=ids[1], size=len(content), linkname=linkname
    )
    return found, content


def unpack(root: Path, *entries: tuple[tar.TarEntry, bytes]) -> None:
    trees.unpack(str(root), tar.write(entries))


@pytest.mark.parametrize("size", [0, 7, trees.CHUNK, 2 * trees.CHUNK + 7])
def test_a_listed_file_is_read_whole(root: Path, size: int) -> None:
    (root / "file").write_bytes(os.urandom(size))
    [listed] = LocalBuildEnv().scan([str(root / "file")])[0].entries

    assert b"".join(trees.content(listed)) == (root / "file").read_bytes()


@pytest.mark.parametrize(
    "alter",
    [
        lambda file: file.unlink(),
        lambda file: file.write_text("longer than it was"),
        lambda file: file.write_text("CONTENT"),
        lambda file: (file.rename(file.with_name("old")), os.mkfifo(file)),
        lambda file: (file.rename(file.with_name("old")), file.symlink_to("old")),
        lambda file: (file.rename(file.with_name("old")), file.mkdir()),
    ],
    ids=["gone", "longer", "other time", "fifo", "symlink", "folder"],
)
def test_a_file_that_is_not_the_listed_one_is_not_read(root: Path, alter: Callable[[Path], object]) -> None:
    file = root / "file"
    file.write_text("content")
    os.utime(file, ns=(1, 1))
    [listed] = LocalBuildEnv().scan([str(file)])[0].entries
    alter(file)

    with pytest.raises(FileChanged, match=r"/root/file' changed while it was being read"):
        b"".join(trees.content(listed))


def test_a_file_that_shrinks_while_it_is_read_is_an_error(root: Path) -> None:
    (root / "file").write_bytes(bytes(3 * trees.CHUNK))
    [listed] = LocalBuildEnv().scan([str(root / "file")])[0].entries
    pieces = iter(trees.content(listed))
    next(pieces)
    os.truncate(root / "file", trees.CHUNK)

    with pytest.raises(FileChanged):
        next(pieces)


@pytest.mark.parametrize(
    "entries",
    [
        [entry(b"../evil", content=b"x")],
        [entry(b"a/../../evil", content=b"x")],
        [entry(b"link", tar.SYMLINK, linkname=b".."), entry(b"link/evil", content=b"x")],
        [entry(b"link", tar.SYMLINK, linkname=b".."), entry(b"link/evil", tar.DIRECTORY, mode=0o755)],
        [entry(b"hard", tar.HARD_LINK, linkname=b"../outside"), entry(b"hard", content=b"x")],
        [
            entry(b"link", tar.SYMLINK, linkname=b".."),
            entry(b"hard", tar.HARD_LINK, linkname=b"link/outside"),
        ],
        [entry(b"link", tar.SYMLINK, linkname=b"../outside"), entry(b"h", tar.HARD_LINK, linkname=b"link")],
        [entry(b"device", tar.CHARACTER)],
        [entry(b"device", tar.BLOCK_DEVICE)],
        [entry(b"hard", tar.HARD_LINK, linkname=b".")],
    ],
)
def test_what_would_leave_the_folder_or_make_a_device_is_refused(
    root: Path, entries: list[tuple[tar.TarEntry, bytes]]
) -> None:
    """S-03, S-44"""
    with pytest.raises(InvalidArchive):
        unpack(root, *entries)

    assert sorted(path.name for path in root.parent.iterdir()) == ["outside", "root"]
    assert (root.parent / "outside").read_text() == "secret"


def test_absolute_names_are_names_below_the_folder(root: Path) -> None:
    unpack(root, entry(b"/etc/name", content=b"x"))

    assert (root / "etc/name").read_bytes() == b"x"


def test_a_file_replaces_a_symlink_and_never_writes_through_it(root: Path) -> None:
    unpack(root, entry(b"a", tar.SYMLINK, linkname=b"../outside"), entry(b"a", content=b"new"))

    assert (root / "a").read_bytes() == b"new"
    assert (root.parent / "outside").read_text() == "secret"


def test_a_folder_replaces_a_symlink_to_a_folder(root: Path) -> None:
    unpack(
        root,
        entry(b"a", tar.SYMLINK, linkname=b".."),
        entry(b"a", tar.DIRECTORY, mode=0o755),
        entry(b"a/b", content=b"x"),
    )

    assert (root / "a/b").read_bytes() == b"x"


def test_a_missing_hard_link_target_is_an_error(root: Path) -> None:
    with pytest.raises(BuildError):
        unpack(root, entry(b"a", tar.HARD_LINK, linkname=b"b"))


def test_a_hard_link_to_itself_keeps_the_content(root: Path) -> None:
    unpack(root, entry(b"a", content=b"x"), entry(b"a", tar.HARD_LINK, linkname=b"a"))

    assert (root / "a").read_bytes() == b"x"


def test_modes_and_times_are_set_also_on_folders_that_cannot_be_written(root: Path) -> None:
    entries = [entry(b"d", tar.DIRECTORY, mode=0o555), entry(b"d/f", content=b"x", mode=0o4751)]

    unpack(root, *entries)

    found = (root / "d").stat()
    assert (stat.S_IMODE(found.st_mode), int(found.st_mtime)) == (0o555, tar.EPOCH)
    assert stat.S_IMODE((root / "d/f").stat().st_mode) == 0o4751
    (root / "d").chmod(0o755)


def test_a_tree_survives_the_way_out_and_in(root: Path, tmp_path: Path) -> None:
    deep = root / ("x" * 90) / ("y" * 90)
    deep.mkdir(parents=True)
    (deep / os.fsdecode(b"odd\xff\nname")).write_bytes(b"1" * 3_000_000)
    (root / "link").symlink_to("nowhere/" + "z" * 200)
    os.link(deep / os.fsdecode(b"odd\xff\nname"), root / "second")
    os.mkfifo(root / "fifo")

    trees.unpack(str(tmp_path / "copy"), trees.pack(str(root)))

    copy = tmp_path / "copy" / "root"
    assert (copy / "second").read_bytes() == b"1" * 3_000_000
    assert (copy / "second").stat().st_nlink == 2
    assert (copy / "link").readlink() == (root / "link").readlink()
    assert stat.S_ISFIFO((copy / "fifo").lstat().st_mode)


def test_a_file_that_shrinks_while_it_is_packed_is_an_error(root: Path) -> None:
    """Nothing torn is ever taken for a tree."""
    (root / "big").write_bytes(bytes(5 << 20))
    chunks = trees.pack(str(root))
    for _ in range(3):
        next(chunks)

    os.truncate(root / "big", 10)

    with pytest.raises(BuildError, match="became shorter"):
        list(chunks)


def test_a_path_too_long_for_the_system_is_an_error_of_ours(root: Path) -> None:
    """S-11"""
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("x" * 200, dir_fd=descriptor)
        below = os.open("x" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)

    with pytest.raises(BuildError, match="name too long"):
        list(trees.pack(str(root)))
    with pytest.raises(BuildError, match="name too long"):
        LocalBuildEnv().scan([str(root)])

    subprocess.run(["rm", "-rf", str(root)], check=True)
