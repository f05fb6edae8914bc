"""Where a layer's bytes come from: read as little as possible, and never anything but what was listed."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import ExportError
from pybuild.lifecycle.content import known_layer, made_layer, new_layer, spooled_layer
from pybuild.lifecycle.layers import LAUNCHER, dir_layer, launcher_layer, tar_size
from pybuild.oci.digest import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.buildenv.api import Listing
    from pybuild.lifecycle.layers import PlannedEntry
    from pybuild.stores.api import Layer


class Counting(LocalBuildEnv):
    """This machine, with a count of the trees that were packed."""

    packed = 0

    def file_reader(self) -> None:  # type: ignore[override]
        return

    @contextmanager
    def pack(self, path: str) -> Iterator[Iterator[bytes]]:
        self.packed += 1
        with super().pack(path) as chunks:
            yield chunks


class Tree:
    """A folder that is to be a layer."""

    def __init__(self, root: Path) -> None:
        self.counting = Counting()
        self.env: LocalBuildEnv = self.counting
        self.root = root / "layer"
        self.root.mkdir()

    @property
    def listing(self) -> Listing:
        return self.env.scan([str(self.root)])[0]

    @property
    def planned(self) -> list[PlannedEntry]:
        return dir_layer(self.listing.entries, [], uid=1, gid=2)

    def new(self, maybe: tuple[tuple[str, int], ...] = ()) -> Layer:
        return new_layer(self.env, self.planned, self.listing, "words", maybe=maybe)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def content(layer: Layer) -> bytes:
    data = b"".join(layer.open())
    assert len(data) == layer.size
    assert layer.diff_id in (None, sha256(data))
    return data


def test_a_layer_of_our_own_knows_its_digest_at_once() -> None:
    layer = made_layer(launcher_layer(3), {LAUNCHER: b"abc"}, "words")

    assert layer.diff_id is not None
    assert content(layer) == content(layer)
    assert layer.created_by == "words"


def test_few_small_files_are_read_as_files(tree: Tree) -> None:
    """An archive of a container costs more than their contents."""
    for name in ("a", "b [*]?", "-c", "é", "\udcff"):
        (tree.root / name).write_bytes(os.fsencode(name))

    data = content(tree.new())

    assert tree.counting.packed == 0
    assert all(os.fsencode(name) in data for name in ("a", "b [*]?", "-c", "é", "\udcff"))


@pytest.mark.parametrize("many", [True, False])
def test_many_or_large_files_come_in_one_stream(tree: Tree, many: bool) -> None:
    for number in range(401 if many else 2):
        (tree.root / f"file{number}").write_bytes(b"x" * (1 if many else 3 << 20))
    heard: list[events.Event] = []

    with events.listening(heard.append):
        content(tree.new())

    assert tree.counting.packed == 1
    progress = [event for event in heard if isinstance(event, events.Progress)]
    assert progress[-1].done == -1
    assert progress[-2].done == progress[-2].total


def test_all_ways_give_the_same_layer(tree: Tree) -> None:
    (tree.root / "bin").mkdir()
    (tree.root / "bin" / "a").write_text("a")
    (tree.root / "bin" / "hard").hardlink_to(tree.root / "bin" / "a")
    (tree.root / "link").symlink_to("bin/a")
    (tree.root / "empty").touch()
    by_files = content(tree.new())
    with tree.env.pack(str(tree.root)) as packed:
        from pybuild.lifecycle.reframe import reframe

        assert b"".join(reframe(tree.planned, packed, tree.listing)) == by_files
    tree.env = LocalBuildEnv()
    assert content(tree.new()) == by_files


@pytest.mark.parametrize("at_hand", [True, False])
@pytest.mark.parametrize(
    "alter",
    [
        lambda root: (root / "a").write_text("longer than before"),
        lambda root: (root / "a").unlink(),
        lambda root: ((root / "a").unlink(), (root / "a").symlink_to("/etc/hostname")),
        lambda root: (root / "a").rename(root / "b") and (root / "a").mkdir(),
    ],
)
def test_a_file_that_changes_before_it_is_read_is_an_error(tree: Tree, alter: object, at_hand: bool) -> None:
    if at_hand:
        tree.env = LocalBuildEnv()
    (tree.root / "a").write_text("content")
    layer = tree.new()
    alter(tree.root)  # type: ignore[operator]

    with pytest.raises(ExportError, match=r"/layer/a' changed while it was being read"):
        content(layer)


def test_a_layer_that_cannot_be_the_known_one_is_not_read_before_the_store_asks(tree: Tree) -> None:
    (tree.root / "a").write_text("content")
    size = tar_size(tree.planned)

    layer = tree.new(maybe=(("sha256:" + "0" * 64, size + 512),))

    assert layer.diff_id is None


def test_a_layer_of_the_known_size_is_read_once_to_see_whether_it_is_the_known_one(tree: Tree) -> None:
    (tree.root / "a").write_bytes(b"x" * (5 << 20))
    size = tar_size(tree.planned)

    layer = tree.new(maybe=(("sha256:" + "0" * 64, size),))

    assert layer.diff_id == sha256(content(layer))
    content(layer)
    assert tree.counting.packed == 1


def test_files_at_hand_are_hashed_in_place_and_read_again_only_for_a_store_that_asks(tree: Tree) -> None:
    tree.env = LocalBuildEnv()
    (tree.root / "a").write_bytes(b"x" * (5 << 20))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    layer = tree.new(maybe=(("sha256:" + "0" * 64, 0),))

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - no temporary file
    assert layer.diff_id == sha256(content(layer))


def test_a_known_layer_is_neither_planned_nor_read_before_it_has_to_be(tree: Tree) -> None:
    (tree.root / "a").write_text("content")
    data = content(tree.new())
    planned: list[int] = []

    def plan() -> list[PlannedEntry]:
        planned.append(1)
        return tree.planned

    layer = known_layer(
        tree.env, plan, tree.listing, diff_id=sha256(data), size=len(data), created_by="words"
    )

    assert planned == []
    assert content(layer) == data


def test_a_spool_is_gone_with_its_layer(tmp_path: Path) -> None:
    gc.collect()  # what other tests have left
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    layer = spooled_layer(iter([b"one", b"two"]), "words")

    assert content(layer) == content(layer) == b"onetwo"
    assert len(os.listdir("/proc/self/fd")) == before + 1  # noqa: PTH208
    del layer
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_full_disk_names_the_folder_and_what_to_do() -> None:
    """F-18:."""
    program = (
        "import errno, os, tempfile\n"
        "from pybuild.errors import DiskFull\n"
        "from pybuild.lifecycle.content import spooled_layer\n"
        "def full():\n"
        "    yield b'x'\n"
        "    raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "try: spooled_layer(full(), 'a layer')\n"
        "except DiskFull as exc: print(exc, exc.hint, sep='|')"
    )
    source = str(Path(__file__).parents[3] / "src")

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": source, "TMPDIR": "/tmp"},
        capture_output=True,
        check=True,
    )

    assert done.stdout == (
        b"no space left in /tmp for 'a layer'|free some space, or set TMPDIR to a folder on a larger disk\n"
    )
