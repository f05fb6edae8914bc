"""An app in a zip file: S-01 to S-03, S-15."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import SourceUnusable
from pybuild.platform.app import source_zip
from pybuild.platform.app.selection import Selection
from pybuild.platform.app.source import open_source

if TYPE_CHECKING:
    from pathlib import Path


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (2020, 2, 3, 4, 5, 6))
    info.external_attr = mode << 16
    return info


def packed(tmp_path: Path, *entries: tuple[zipfile.ZipInfo, bytes]) -> Path:
    path = tmp_path / "app.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in entries:
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def sent(path: Path, selection: Selection | None = None) -> list[tarfile.TarInfo]:
    content = b"".join(open_source(path, selection).upload(uid=7, gid=8))
    return tarfile.open(fileobj=io.BytesIO(content)).getmembers()


def test_a_zip_is_sent_like_the_folder_it_was_made_of(tmp_path: Path) -> None:
    path = packed(
        tmp_path,
        (entry("index.php"), b"<?php"),
        (entry("bin/run", stat.S_IFREG | 0o755), b"#!/bin/sh"),
        (entry("empty/", stat.S_IFDIR | 0o755), b""),
        (entry("link", stat.S_IFLNK | 0o777), b"../../etc/passwd"),
    )

    members = sent(path)

    assert [(m.name, m.mode, m.size, m.linkname) for m in members] == [
        ("bin", 0o755, 0, ""),
        ("bin/run", 0o755, 9, ""),
        ("empty", 0o755, 0, ""),
        ("index.php", 0o644, 5, ""),
        ("link", 0o777, 0, "../../etc/passwd"),
    ]
    assert {(m.uid, m.gid) for m in members} == {(7, 8)}
    assert members[-1].mtime == 1580702706


def test_include_and_exclude_hold_for_zips_too(tmp_path: Path) -> None:
    path = packed(tmp_path, *((entry(name), b"x") for name in ("a/b/c.go", "a/d.py", "e.go", "spec/x.go")))

    assert [m.name for m in sent(path, Selection.of(include=("*.go",)))] == [
        "a",
        "a/b",
        "a/b/c.go",
        "e.go",
        "spec",
        "spec/x.go",
    ]
    assert [m.name for m in sent(path, Selection.of(exclude=("spec/", "*.py")))] == [
        "a",
        "a/b",
        "a/b/c.go",
        "e.go",
    ]


@pytest.mark.parametrize(
    "name", ["../cnb/lifecycle/creator", "../layers/analyzed.toml", "/etc/x", "a/../../b", "a\\b"]
)
def test_a_name_that_leads_out_of_the_app_refuses_the_whole_zip(tmp_path: Path, name: str) -> None:
    """S-01, S-02, S-03."""
    path = packed(tmp_path, (entry("good"), b""), (entry(name), b"evil"))

    with pytest.raises(SourceUnusable) as caught:
        open_source(path)

    assert "leads out of the app" in str(caught.value)
    assert repr(name).strip("'") in str(caught.value)


def test_a_path_through_a_symlink_of_the_zip_is_refused(tmp_path: Path) -> None:
    """S-03."""
    path = packed(tmp_path, (entry("d", stat.S_IFLNK | 0o777), b"/etc"), (entry("d/passwd"), b"evil"))

    with pytest.raises(SourceUnusable, match="which is no folder"):
        open_source(path)


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = packed(tmp_path, (entry("a"), b"1"), (entry("a"), b"2"))

    with pytest.raises(SourceUnusable, match="holds a twice"):
        open_source(path)


def test_a_bomb_is_refused_by_its_own_figures(tmp_path: Path) -> None:
    """S-15."""
    path = packed(tmp_path, (entry("zeros"), bytes(source_zip.HARMLESS + 1)))

    with pytest.raises(SourceUnusable, match="as only zip bombs do"):
        open_source(path)


@pytest.mark.parametrize("content", [b"no zip", b"", b"PK\x05\x06" + bytes(10)])
def test_a_file_that_is_no_zip_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "app.zip"
    path.write_bytes(content)

    with pytest.raises(SourceUnusable, match=r"app\.zip is no zip file"):
        open_source(path)


def test_content_that_is_damaged_is_noticed_while_it_is_sent(tmp_path: Path) -> None:
    path = packed(tmp_path, (entry("a"), os.urandom(1000)))
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)

    with pytest.raises(SourceUnusable, match=r"a cannot be read"):
        sent(path)


def test_an_empty_zip_holds_nothing_to_build(tmp_path: Path) -> None:
    with pytest.raises(SourceUnusable, match="no files to build"):
        open_source(packed(tmp_path, (entry("folder/"), b"")))
