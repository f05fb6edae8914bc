"""The texts that a build container is sent, and how what comes back is read."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybuild.buildenv import scripts
from pybuild.buildenv.api import Command, Completed, Refused
from pybuild.errors import BuildError, InvalidInput

anything = st.text(st.characters(blacklist_characters="\0", codec="utf-8"), max_size=30)


@given(anything)
def test_a_quoted_word_reaches_a_program_unchanged(text: str) -> None:
    """S-10"""
    found = subprocess.run(
        ["sh", "-c", scripts.encode(f"printf %s {scripts.quote(text)}")], capture_output=True, check=True
    )

    assert scripts.decode(found.stdout) == text


def test_a_word_with_a_nul_is_refused() -> None:
    """S-37"""
    with pytest.raises(InvalidInput, match="NUL byte"):
        scripts.quote("a\0b")
    with pytest.raises(InvalidInput, match="NUL byte"):
        scripts.glob_word("a\0*")


SHELLS = [
    pytest.param(
        words, marks=pytest.mark.skipif(shutil.which(words[0]) is None, reason=f"no {words[0]} here")
    )
    for words in (["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"])
]
FOR_SHELLS = [
    "PATH",
    "IFS",
    "PWD",
    "UID",
    "_",
    "LC_ALL",
    "LD_PRELOAD",
    "BASH_ENV",
    "OPTIND",
    "a.b",
    "k",
    "HOME",
]
environs = st.dictionaries(
    st.one_of(st.sampled_from(FOR_SHELLS), st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)),
    anything.filter(lambda value: len(value) < 20),
    max_size=8,
).map(lambda environ: environ | ({"LD_PRELOAD": ""} if "LD_PRELOAD" in environ else {}))


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25, deadline=None)
@given(environs)
def test_a_program_has_the_variables_that_are_for_it_and_no_other(
    shell: list[str], environ: dict[str, str]
) -> None:
    """Whatever a shell makes of variables itself. ENV-01."""
    text = scripts.run(Command(argv=("/usr/bin/env", "-0"), environ=environ, cwd="/"))
    own = {"HOME": "/root", "LC_ALL": "C", "PATH": "/usr/bin:/bin"}

    done = subprocess.run([*shell, "-c", scripts.encode(text)], capture_output=True, check=True, env=own)

    found = scripts.decode(done.stdout).split("\0")[:-1]
    assert sorted(found) == sorted(f"{name}={value}" for name, value in environ.items())


@given(st.from_regex(r"[A-Z_][A-Z0-9_]{3,9}", fullmatch=True))
def test_no_value_is_an_argument_of_a_program(name: str) -> None:
    """S-45: everybody may read those."""
    text = scripts.run(Command(argv=("/bin/true",), environ={name: "planted"}, cwd="/"))

    assert ("planted" in text.splitlines()[-1]) == (not scripts.is_for_shells(name))


def test_a_program_that_env_would_take_for_a_variable_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a=b/program"):
        scripts.run(Command(argv=("/a=b/program",), environ={}, cwd="/"))


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("/a b/*.toml", "'/a b/'*'.toml'"),
        ("/x?", "'/x'?"),
        ("[a-c]", "[a-c]"),
        ("[!a]", "[!a]"),
        ("[^a]", "[!a]"),
        ("[]]", "[']']"),
        ("[*]", "['*']"),
        ("[[]", "['[']"),
        ("[abc", "'[abc'"),
        ("$(id)`x`", "'$(id)`x`'"),
    ],
)
def test_only_wildcards_are_special_in_a_pattern(pattern: str, word: str) -> None:
    assert scripts.glob_word(pattern) == word


class TestReadList:
    def test_readable_files_have_sizes_and_others_reasons(self) -> None:
        data = b"r/a\0l/b\0o/c\0x/d\0r/new\nline\0\0" + b"12\n7\0" + b"too large..." + b"content"

        assert scripts.read_list(data, limit=10) == (
            {
                "/a": Refused(why="too large"),
                "/b": Refused(why="symlink"),
                "/c": Refused(why="not a regular file"),
                "/d": Refused(why="permission denied"),
            },
            {"/new\nline": 7},
            {"/new\nline": b"content"},
        )

    def test_many_bytes_do_not_come_at_once(self) -> None:
        size = scripts.AT_ONCE + 1

        assert scripts.read_list(f"r/a\0\0{size}\0".encode(), limit=size) == ({}, {"/a": size}, {})

    def test_contents_of_another_length_are_an_error(self) -> None:
        with pytest.raises(BuildError, match="changed while they were read"):
            scripts.read_list(b"r/a\0\0007\0short", limit=10)

    def test_an_empty_list_is_empty(self) -> None:
        assert scripts.read_list(b"\0", limit=1) == ({}, {}, {})

    def test_a_list_without_sizes_is_an_error(self) -> None:
        with pytest.raises(BuildError, match="longer than its list of sizes"):
            scripts.read_list(b"r/a\0\0", limit=1)


def test_contents_are_cut_by_their_sizes() -> None:
    assert scripts.cut(b"abcd", {"/x": 1, "/y": 0, "/z": 3}) == {"/x": b"a", "/y": b"", "/z": b"bcd"}


def test_contents_of_another_length_are_an_error() -> None:
    with pytest.raises(BuildError, match="changed while they were read"):
        scripts.cut(b"abc", {"/x": 2})


def test_ends_of_commands_are_read_apart() -> None:
    data = b"0MfirstMMfplanM137MMfMMM"[: -len(b"MM")] + b""

    assert scripts.read_completed(b"0MoutMfplanM137MMM1MxMfM", 3, "M") == [
        Completed(status=0, output=b"out", result=b"plan"),
        Completed(status=137, output=b"", result=None),
        Completed(status=1, output=b"x", result=b""),
    ]
    with pytest.raises(BuildError, match="fields"):
        scripts.read_completed(data, 5, "M")


class TestReadListings:
    LINE = b"%s\0f 644 1000 1000 5 1700000000.1234567890 1700000001.0000000000 42 1\0\0"

    def test_each_root_has_its_entries_sorted(self) -> None:
        data = self.LINE % b"/r/b" + self.LINE % b"/r/a" + bytes(3) + bytes(3)

        first, second = scripts.read_listings(data, ["/r", "/s"])

        assert [entry.path for entry in first.entries] == ["/r/a", "/r/b"]
        assert (len(second.entries), second.root) == (0, "/s")
        assert first.entries[0].mtime == 1_700_000_000_123_456_789
        assert (first.entries[0].mode, first.entries[0].inode) == (0o644, 42)

    def test_the_order_of_find_does_not_matter_to_the_stamp(self) -> None:
        one, two = self.LINE % b"/r/a", self.LINE % b"/r/b"

        stamps = {scripts.read_listings(data + bytes(3), ["/r"])[0].stamp for data in (one + two, two + one)}

        assert len(stamps) == 1
        assert scripts.read_listings(one + bytes(3), ["/r"])[0].stamp not in stamps

    def test_times_before_1970_are_right(self) -> None:
        line = b"/a\0f 644 0 0 5 -2.5000000000 0.0000000000 42 1\0\0"

        assert scripts.read_listings(line + bytes(3), ["/a"])[0].entries[0].mtime == -1_500_000_000

    @pytest.mark.parametrize("cut", [1, 3, 20])
    def test_a_list_that_is_cut_short_is_an_error(self, cut: int) -> None:
        data = self.LINE % b"/r/a" + bytes(3)

        with pytest.raises(BuildError, match="cut short"):
            scripts.read_listings(data[:-cut], ["/r"])

    def test_entries_behave_as_any_sequence(self) -> None:
        listing = scripts.read_listings(self.LINE % b"/r" + bytes(3), ["/r"])[0]

        assert list(listing.entries) == [listing.entries[0]]
        assert listing.entries == (listing.entries[0],)
        assert listing.entries[:0] == ()
        assert repr(listing.entries) == "<1 entries>"
