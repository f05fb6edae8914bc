"""How contents get from a build environment's tar into a layer."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.api import Entry, Listing
from pybuild.errors import ExportError, InvalidArchive
from pybuild.lifecycle import layers
from pybuild.lifecycle.reframe import reframe

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class App:
    """A directory on disk with its listing and its tar, as a build environment would give them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "app"
        self.folder.mkdir()

    def file(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def listing(self) -> Listing:
        paths = [self.folder, *self.folder.rglob("*")]
        return Listing("/app", sorted(map(self._entry, paths), key=lambda entry: os.fsencode(entry.path)))

    def _entry(self, path: Path) -> Entry:
        status = path.lstat()
        kind = "l" if path.is_symlink() else "d" if path.is_dir() else "f"
        return Entry(
            path=f"/{path.relative_to(self.folder.parent)}",
            kind=kind,
            mode=status.st_mode & 0o7777,
            uid=status.st_uid,
            gid=status.st_gid,
            size=status.st_size if kind == "f" else 0,
            mtime=0,
            ctime=0,
            inode=status.st_ino,
            links=status.st_nlink,
            target=str(path.readlink()) if kind == "l" else "",
        )

    def packed(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            archive.add(self.folder, arcname="app")
        return buffer.getvalue()


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def _app_layer(listing: Listing) -> list[layers.PlannedEntry]:
    return list(layers.app_layers(listing.entries, (), "/app", (), uid=1, gid=2)[0].entries)


def _contents(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert all((member.uid, member.gid, member.mtime) == (1, 2, 315532801) for member in archive)
        files = {member.name: archive.extractfile(member) for member in archive if member.isreg()}
        return {name: file.read().decode() for name, file in files.items() if file}


def _reframed(planned: list[layers.PlannedEntry], packed: bytes, listing: Listing) -> bytes:
    chunks: Iterable[bytes] = (packed[at : at + 700] for at in range(0, len(packed), 700))
    return b"".join(reframe(planned, chunks, listing))


def test_contents_that_come_before_their_turn_are_put_in_path_order(app: App) -> None:
    for name in ("a/inner", "a-b", "a.txt", "a!", "z"):
        app.file(name, name * 300)
    listing = app.listing()
    planned = _app_layer(listing)

    data = _reframed(planned, app.packed(), listing)

    names = ["/app/a!", "/app/a-b", "/app/a.txt", "/app/a/inner", "/app/z"]
    assert _contents(data) == {name: name.removeprefix("/app/") * 300 for name in names}
    assert list(_contents(data)) == names
    assert len(data) == layers.tar_size(planned)


def test_hard_links_become_files_with_the_content_each(app: App) -> None:
    app.file("b/first", "shared")
    app.file("c", "own")
    (app.folder / "a").hardlink_to(app.folder / "b/first")
    (app.folder / "z").hardlink_to(app.folder / "b/first")
    listing = app.listing()

    data = _reframed(_app_layer(listing), app.packed(), listing)

    assert _contents(data) == {
        "/app/a": "shared",
        "/app/b/first": "shared",
        "/app/c": "own",
        "/app/z": "shared",
    }


def test_a_slice_gets_the_content_of_a_link_whose_file_is_in_another_slice(app: App) -> None:
    app.file("a", "shared")
    app.file("other", "not for the slice")
    (app.folder / "z").hardlink_to(app.folder / "a")
    listing = app.listing()
    slice_of_z = layers.app_layers(listing.entries, (), "/app", [["z"]], uid=1, gid=2)[0]

    data = _reframed(list(slice_of_z.entries), app.packed(), listing)

    assert _contents(data) == {"/app/z": "shared"}


def test_empty_files_links_and_folders_come_along(app: App) -> None:
    app.file("empty", "")
    app.file("full", "x")
    (app.folder / "link").symlink_to("full")
    (app.folder / "folder").mkdir()
    listing = app.listing()

    data = _reframed(_app_layer(listing), app.packed(), listing)

    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["/app", "/app/empty", "/app/folder", "/app/full", "/app/link"]
        assert archive.getmember("/app/link").linkname == "full"


def test_a_plan_without_contents_reads_nothing(app: App) -> None:
    (app.folder / "folder").mkdir()
    listing = app.listing()
    planned = _app_layer(listing)

    unread = iter([b"never read"])

    assert len(b"".join(reframe(planned, unread, listing))) == layers.tar_size(planned)
    assert next(unread) == b"never read"


@pytest.mark.parametrize("change", ["longer", "gone", "new", "other kind", "other target"])
def test_a_tree_that_changed_after_the_listing_is_an_error_that_names_the_path(app: App, change: str) -> None:
    app.file("first", "1")
    app.file("victim", "content")
    (app.folder / "link").symlink_to("first")
    listing = app.listing()
    victim = app.folder / "victim"
    if change == "longer":
        victim.write_text("content and more")
    elif change == "new":
        (app.folder / "victim2").write_text("new")
    elif change == "other target":
        (app.folder / "link").unlink()
        (app.folder / "link").symlink_to("/etc/passwd")
    else:
        victim.unlink()
        if change == "other kind":
            victim.symlink_to("/etc/passwd")

    with pytest.raises(ExportError, match=r"'/app/(victim2?|link)' changed while it was being read"):
        _reframed(_app_layer(listing), app.packed(), listing)


@pytest.mark.parametrize("name", ["app/../../etc/passwd", "/etc/passwd", "elsewhere", "app/first/"])
def test_a_name_that_the_listing_lacks_gets_nowhere(app: App, name: str) -> None:
    app.file("first", "1")
    listing = app.listing()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(app.folder, arcname="app")
        extra = tarfile.TarInfo(name)
        extra.size = 1
        archive.addfile(extra, io.BytesIO(b"x"))

    with pytest.raises(ExportError, match="changed while it was being read"):
        _reframed(_app_layer(listing), buffer.getvalue(), listing)


def test_a_stream_that_breaks_off_is_an_error(app: App) -> None:
    app.file("first", "1" * 5000)
    listing = app.listing()

    with pytest.raises(InvalidArchive, match="cut off"):
        _reframed(_app_layer(listing), app.packed()[:3000], listing)
