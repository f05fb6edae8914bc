"""What differs between two layers is told from their tars, each read once, whatever is in them."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybuild.errors import InvalidArchive
from pybuild.oci import tar
from pybuild.platform.images import entry_changes as module
from pybuild.platform.images.entry_changes import EntryFacts, entry_changes, read_entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def entry(
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tar.FILE,
    mode: int = 0o644,
    uid: int = 0,
    link: str = "",
) -> tuple[tar.TarEntry, bytes]:
    return tar.TarEntry(name.encode(), kind, mode, uid, 0, len(content), link.encode()), content


def changes(
    a: Sequence[tuple[tar.TarEntry, bytes]], b: Sequence[tuple[tar.TarEntry, bytes]], *, later: int = 0
) -> module.EntryChanges:
    return entry_changes(read_entries(tar.write(a)), read_entries(tar.write(b, mtime=tar.EPOCH + later)))


def test_files_that_are_new_gone_and_other_are_told_apart() -> None:
    found = changes(
        [entry("/app/same", b"x"), entry("/app/old", b"x"), entry("/app/other", b"x")],
        [entry("/app/same", b"x"), entry("/app/other", b"yy"), entry("/app/new", b"x")],
    )

    assert (found.added, found.removed, found.changed, found.total) == (1, 1, 1, 3)
    assert [(file.path, file.change, file.what) for file in found.files] == [
        ("/app/new", "added", ()),
        ("/app/old", "removed", ()),
        ("/app/other", "changed", ("content", "size")),
    ]


@pytest.mark.parametrize(
    ("a", "b", "what"),
    [
        (entry("f", b"a"), entry("f", b"b"), ("content",)),
        (entry("f", mode=0o600), entry("f", mode=0o4755), ("mode",)),
        (entry("f", uid=1), entry("f", uid=2), ("owner",)),
        (entry("f", kind=tar.SYMLINK, link="a"), entry("f", kind=tar.SYMLINK, link="b"), ("target",)),
        (entry("f"), entry("f", kind=tar.DIRECTORY), ("type",)),
        (entry("f", kind=tar.SYMLINK, link="a"), entry("f", kind=tar.HARD_LINK, link="a"), ("type",)),
    ],
)
def test_what_changed_in_a_file_is_named(
    a: tuple[tar.TarEntry, bytes], b: tuple[tar.TarEntry, bytes], what: tuple[str, ...]
) -> None:
    (file,) = changes([a], [b]).files

    assert (file.change, file.what) == ("changed", what)


def test_another_time_is_a_change_of_every_file() -> None:
    found = changes([entry("a"), entry("b")], [entry("a"), entry("b")], later=60)

    assert [file.what for file in found.files] == [("mtime",), ("mtime",)]


def test_a_name_is_the_same_with_and_without_a_slash_or_a_dot_in_front() -> None:
    """Other tools write `./app/` where we write `/app`."""
    found = changes([entry("/app", kind=tar.DIRECTORY)], [entry("./app/", kind=tar.DIRECTORY)])

    assert found.total == 0


def test_of_a_path_that_comes_twice_the_last_one_counts() -> None:
    twice = [entry("f", b"first"), entry("f", b"last")]

    assert changes(twice, [entry("f", b"last")]).total == 0
    assert changes([entry("f", b"last")], twice).total == 0
    assert changes([entry("f", b"first")], twice).changed == 1


def test_only_another_order_is_told_and_is_no_change_of_a_file() -> None:
    one, other = entry("a"), entry("b")

    assert changes([one, other], [other, one]).reordered
    assert not changes([one, other], [one, other]).reordered
    assert not changes([one, other], [other]).reordered


facts = st.builds(
    EntryFacts,
    st.just(tar.FILE),
    st.integers(0, 1),
    st.just(0),
    st.just(0),
    st.integers(0, 1),
    st.just(0),
    st.just(b""),
    st.just((0, 0)),
    st.just(b""),
)
trees = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), facts), max_size=8)


@given(a=trees, b=trees)
def test_it_is_what_two_complete_lists_would_tell(
    a: list[tuple[bytes, EntryFacts]], b: list[tuple[bytes, EntryFacts]]
) -> None:
    one, other = dict(a), dict(b)

    found = entry_changes(a, b)

    assert {file.path for file in found.files if file.change == "added"} == shown(other.keys() - one.keys())
    assert {file.path for file in found.files if file.change == "removed"} == shown(one.keys() - other.keys())
    differing = {name for name in one.keys() & other.keys() if one[name] != other[name]}
    assert {file.path for file in found.files if file.change == "changed"} == shown(differing)
    assert found.total == len(found.files)


def shown(names: set[bytes]) -> set[str]:
    return {f"/{name.decode()}" for name in names}


def test_only_so_many_files_are_named_but_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LISTED", 2)

    found = changes([], [entry(f"f{number}") for number in range(5)])

    assert (found.added, len(found.files), found.as_json()["complete"]) == (5, 2, False)


def test_a_layer_with_too_many_entries_or_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [entry(f"f{number}") for number in range(20)]
    monkeypatch.setattr(module, "MOST_ENTRIES", 10)
    with pytest.raises(InvalidArchive, match="more than 10 entries"):
        changes(many, [])
    monkeypatch.setattr(module, "MOST_ENTRIES", 100)
    monkeypatch.setattr(module, "MOST_NAMES", 30)
    with pytest.raises(InvalidArchive, match="longer than"):
        changes(many, [])


def test_names_that_are_no_text_are_shown_with_escapes() -> None:
    odd = (tar.TarEntry(b"/\xff\x1b[2J", tar.FILE, 0o644, 0, 0), b"")

    (file,) = changes([], [odd]).files

    assert file.path == "/\\xff\x1b[2J"


def test_memory_does_not_grow_with_the_size_of_files() -> None:
    def large() -> Iterator[bytes]:
        size = 64 << 20
        yield tar.header(tar.TarEntry(b"/large", tar.FILE, 0o644, 0, 0, size))
        for _ in range(64):
            yield bytes(1 << 20)
        yield tar.TRAILER

    tracemalloc.start()
    try:
        found = entry_changes(read_entries(large()), read_entries(large()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found.total == 0
    assert peak < 8 << 20


def test_memory_of_two_layers_that_are_nearly_alike_is_that_of_one() -> None:
    def many(last: bytes) -> Iterator[tuple[bytes, EntryFacts]]:
        for number in range(20_000):
            digest = b"%032d" % number if number else last
            yield (
                b"folder/file-%d" % number,
                EntryFacts(tar.FILE, 0o644, 1000, 1000, 5, 1, b"", (0, 0), digest),
            )

    tracemalloc.start()
    try:
        found = entry_changes(many(b"a"), many(b"b"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found.changed == 1
    assert peak / 20_000 < 600


def test_the_facts_are_shown_as_each_kind_has_them() -> None:
    found = changes(
        [],
        [
            entry("file", b"x"),
            entry("link", kind=tar.SYMLINK, link="file"),
            (tar.TarEntry(b"null", tar.CHARACTER, 0o666, 0, 0, devmajor=1, devminor=3), b""),
        ],
    )

    shown_facts = [file.as_json()["b"] for file in found.files]
    assert [sorted(item) for item in shown_facts] == [
        ["digest", "gid", "mode", "mtime", "size", "type", "uid"],
        ["gid", "mode", "mtime", "target", "type", "uid"],
        ["device", "gid", "mode", "mtime", "type", "uid"],
    ]
    assert shown_facts[0]["mode"] == "0644"
    assert shown_facts[2]["device"] == [1, 3]
