"""`.gitignore` as git itself takes it, `.dockerignore` as Docker documents it, in folders and in zips."""

from __future__ import annotations

import os
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.platform.app.ignore_files import checked_ignore_file, gitignores_above
from pybuild.platform.app.selection import Selection
from pybuild.platform.app.source import open_source

if TYPE_CHECKING:
    from pathlib import Path

GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": "/usr/local/bin:/usr/bin:/bin"}
FILES = {
    ".gitignore": "# a comment\n*.log\n!keep.log\n/dist/\ncache/*\n!cache/keep\n**/tmp\nfoo/**/bar\n\\#odd\nbad[\n",
    "a.log": "",
    "keep.log": "",
    "dist/x": "",
    "sub/dist/x": "",
    "cache/a": "",
    "cache/keep": "",
    "sub/tmp/x": "",
    "foo/one/two/bar": "",
    "#odd": "",
    "web/.gitignore": "!*.log\n/only-here\nkeep.log\n",
    "web/a.log": "",
    "web/keep.log": "",
    "web/only-here": "",
    "web/deep/only-here": "",
    "web/deep/.gitignore": "!keep.log",
    "web/deep/keep.log": "",
    "dist/.gitignore": "!x",
    "node_modules/.gitignore": "*",
    "node_modules/m/x": "",
}


def fill(folder: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def sent(path: Path, *names: str, exclude: tuple[str, ...] = ()) -> set[str]:
    source = open_source(
        path, Selection.of(exclude=exclude), tuple(checked_ignore_file(n, "") for n in names)
    )
    return {os.fsdecode(found.path) for found in source.reader.walk() if found.kind != "d"}


def git_knows(folder: Path, *, below: str = ".") -> set[str]:
    words = ["ls-files", "--cached", "--others", "--exclude-standard", "-z", "."]
    done = subprocess.run(["git", *words], cwd=folder / below, check=True, capture_output=True, env=GIT)
    return {name for name in done.stdout.decode().split("\0") if name}


@pytest.mark.parametrize("below", [".", "web", "web/deep"])
def test_what_git_ignores_is_left_out_and_nothing_else(tmp_path: Path, below: str) -> None:
    fill(tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, env=GIT)

    assert sent(tmp_path / below, ".gitignore") == git_knows(tmp_path, below=below)


def test_a_zip_is_treated_as_its_folder_would_be(tmp_path: Path) -> None:
    folder = fill(tmp_path / "app")
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)

    assert sent(tmp_path / "app.zip", ".gitignore") == sent(folder, ".gitignore")


def test_the_repositorys_own_folder_stays_out_wherever_it_is(tmp_path: Path) -> None:
    fill(tmp_path, {"a": "", ".git/HEAD": "", "vendor/.git/HEAD": "", "vendor/b": ""})

    assert sent(tmp_path, ".gitignore") == {"a", "vendor/b"}


def test_exclude_counts_beside_it_and_cannot_be_taken_back(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "!b\n", "a": "", "b": "", "c": ""})

    assert sent(tmp_path, ".gitignore", exclude=("b",)) == {".gitignore", "a", "c"}


def test_without_a_repository_above_nothing_above_counts(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "*", "app/a": ""})

    assert gitignores_above(tmp_path / "app") == []
    assert sent(tmp_path / "app", ".gitignore") == {"a"}


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, {"app/a": "", "rules": "a"})
    (tmp_path / "app" / ".gitignore").symlink_to(tmp_path / "rules")

    assert sent(tmp_path / "app", ".gitignore") == {"a", ".gitignore"}


def test_dockerignore_takes_back_what_lies_in_a_folder_that_is_left_out(tmp_path: Path) -> None:
    fill(
        tmp_path,
        {".dockerignore": "docs\n!docs/README\n*.md\n**/x\n", "docs/a": "", "docs/README": "", "b.md": ""}
        | {"sub/c.md": "", "sub/x": ""},
    )

    assert sent(tmp_path, ".dockerignore") == {".dockerignore", "docs/README", "sub/c.md"}


def test_both_files_may_count(tmp_path: Path) -> None:
    fill(tmp_path, {".dockerignore": "a", ".gitignore": "b", "a": "", "b": "", "c": ""})

    assert sent(tmp_path, ".dockerignore", ".gitignore") == {".dockerignore", ".gitignore", "c"}


def test_a_pattern_that_docker_would_refuse_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, {".dockerignore": "a\n[b\n", "c": ""})

    with pytest.raises(InvalidFile, match=r"\.dockerignore, line 2"):
        sent(tmp_path, ".dockerignore")


def test_other_files_cannot_be_named() -> None:
    with pytest.raises(
        InvalidInput, match=r"project\.toml: '\.npmignore' is none of \.gitignore, \.dockerignore"
    ):
        checked_ignore_file(".npmignore", "project.toml")
