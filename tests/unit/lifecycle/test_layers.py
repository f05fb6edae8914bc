"""How layers are planned beyond what is recorded: slices (LNT-07, GO-25, AMB-11), odd files (S-08, S-31, S-32)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.buildenv.api import Entry
from pybuild.errors import ExportError
from pybuild.lifecycle import layers
from pybuild.lifecycle.slices import Pattern, clean

if TYPE_CHECKING:
    from collections.abc import Sequence


def _entry(path: str, kind: str = "f") -> Entry:
    return Entry(
        path=path, kind=kind, mode=0o644, uid=5, gid=6, size=0, mtime=0, ctime=0, inode=1, links=1, target=""
    )


APP = [
    _entry("/app", "d"),
    _entry("/app/a", "d"),
    _entry("/app/a/1.css"),
    _entry("/app/a/2.js"),
    _entry("/app/b.css"),
    _entry("/app/socket", "s"),
]


def _names(entries: object) -> list[str]:
    return [entry.tar.name.decode() for entry in entries]  # type: ignore[attr-defined]


def _sliced(*slices: list[str]) -> list[list[str]]:
    return [_names(layer.entries) for layer in layers.app_layers(APP, (), "/app", slices, uid=1, gid=2)]


@pytest.mark.parametrize("pattern", ["a/*.css", "/app/a/*.css", "./a//*.css", "/app/b/../a/*.css"])
def test_a_pattern_may_be_relative_to_the_app_or_absolute_below_it(pattern: str) -> None:
    """LNT-07, AMB-11."""
    assert _sliced([pattern]) == [
        ["/app", "/app/a", "/app/a/1.css"],
        ["/app", "/app/a", "/app/a/2.js", "/app/b.css"],
    ]


@pytest.mark.parametrize("pattern", ["../etc/*", "/etc/*", "/application/*", "/app", "", "/"])
def test_a_pattern_that_leads_outside_matches_nothing(pattern: str) -> None:
    """S-34, LNT-07, EXP-10."""
    first, rest = _sliced([pattern])

    assert first == []
    assert rest == ["/app", "/app/a", "/app/a/1.css", "/app/a/2.js", "/app/b.css"]


def test_what_a_slice_took_is_gone_for_the_next_and_folders_go_with_their_last_file() -> None:
    """EXP-09."""
    assert _sliced(["a/1.css"], ["a/*"], ["*"]) == [
        ["/app", "/app/a", "/app/a/1.css"],
        ["/app", "/app/a", "/app/a/2.js"],
        ["/app", "/app/b.css"],
        [],
    ]


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*", "abc", True),
        ("*", "a/b", False),
        ("*c", "abcc", True),
        ("a*/b", "a/c/b", False),
        ("a*b*c", "axbybzc", True),
        ("a?c", "a/c", False),
        ("?", "é", True),
        ("[^a]", "b", True),
        ("[^a]", "a", False),
        ("[!a]", "!", True),
        ("[a-cx]", "x", True),
        ("[a-cx]", "d", False),
        ("[é-ü]", "ö", True),
        ("[\\]a]", "]", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("a", "ab", False),
        ("", "", True),
        # Go goes on byte by byte after a star, so that it may stop inside of a character.
        ("*[^é]", "é", True),
    ],
)
def test_patterns_match_as_in_go(pattern: str, name: str, expected: bool) -> None:
    """LNT-07, GO-25."""
    assert Pattern(pattern.encode()).matches(name.encode()) is expected


@pytest.mark.parametrize("pattern", ["[", "[]a]", "[a", "[a-", "[a-]", "[-]", "a\\", "[\\", "*[", "x[^"])
def test_a_malformed_pattern_is_an_error_once_it_matters(pattern: str) -> None:
    with pytest.raises(ExportError, match="malformed"):
        Pattern(pattern.encode()).matches(b"xyz")


def test_a_malformed_end_of_a_pattern_that_never_comes_up_is_no_error() -> None:
    assert Pattern(b"a*[").matches(b"b") is False


@pytest.mark.parametrize(
    ("path", "cleaned"), [("", "."), ("a/./b/", "a/b"), ("//a", "/a"), ("a/../..", "..")]
)
def test_paths_are_cleaned_as_in_go(path: str, cleaned: str) -> None:
    assert clean(path) == cleaned


def test_devices_are_left_out_with_a_warning_and_sockets_without() -> None:
    """S-31."""
    heard: list[events.Event] = []
    entries = [_entry("/layers/x", "d"), _entry("/layers/x/null", "c"), _entry("/layers/x/s", "s")]

    with events.listening(heard.append):
        planned = layers.dir_layer(entries, [_entry("/layers", "d")], uid=1, gid=2)

    assert _names(planned) == ["/layers", "/layers/x"]
    assert [(event.text, type(event)) for event in heard if isinstance(event, events.Warned)] == [
        ("/layers/x/null is a device and is left out of the image", events.Warned)
    ]


def test_setuid_programs_are_kept_with_one_warning() -> None:
    """S-31."""
    heard: list[events.Event] = []
    entries = [replace(_entry(f"/layers/x/{name}"), mode=0o4755) for name in ("ping", "su")]

    with events.listening(heard.append):
        planned = layers.dir_layer(entries, (), uid=1, gid=2)

    assert [entry.tar.mode for entry in planned] == [0o4755, 0o4755]
    assert [event.text for event in heard if isinstance(event, events.Warned)] == [
        "/layers/x/ping and 1 more will run with its owner's rights in the image (setuid or setgid)"
    ]


def test_parents_keep_their_owners_and_the_layer_gets_the_users() -> None:
    planned = layers.dir_layer([_entry("/layers/x", "d")], [_entry("/layers", "d")], uid=1, gid=2)

    assert [(entry.tar.uid, entry.tar.gid) for entry in planned] == [(5, 6), (1, 2)]


@pytest.mark.parametrize("type_", ["", "a/b", "../../tmp/evil", "a\0b", "a\\b", "a:b"])
def test_a_process_type_that_is_no_file_name_is_refused(type_: str) -> None:
    """S-32."""
    with pytest.raises(ExportError, match="cannot name a file"):
        layers.process_types_layer(["web", type_])


def test_a_plan_of_very_many_entries_is_the_same_and_is_not_kept() -> None:
    """Issue 7: an app of 200,000 files must fit into memory."""
    entries = [_entry("/app", "d"), *(_entry(f"/app/{number:05}") for number in range(60_000))]
    above = [_entry("/", "d")]

    def plan(some: list[Entry]) -> Sequence[layers.PlannedEntry]:
        return layers.app_layers(some, above, "/app", [], uid=1, gid=2)[0].entries

    many, few = plan(entries), [*plan(entries[:40_000]), *plan(entries[40_000:])[1:]]

    assert not isinstance(many, list)
    assert len(many) == len(few) == 60_002
    assert list(many) == few
    assert [many[at] for at in (0, 1, 2, 2, -1)] == [few[at] for at in (0, 1, 2, 2, -1)]
    assert many[60_000:] == few[60_000:]
