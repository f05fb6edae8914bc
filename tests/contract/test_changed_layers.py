"""What a later buildpack does to an earlier one's layers: docs/adr/0017-changed-layers.md. Issue 7: each attempt is reported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import ChangedLayer
from pybuild.events import Detail, Warned, listening
from pybuild.lifecycle.exportable import collect
from pybuild.lifecycle.meddling import nobody, without_meddling

if TYPE_CHECKING:
    from collections.abc import Callable

    from pybuild.events import Event
    from pybuild.lifecycle.exportable import Exportable
    from pybuild.spec.order import GroupElement
    from support.build_place import Place

HONEST = r"""
mkdir -p l/gone l/sub/__pycache__ l/__pycache__ l/empty/__pycache__ b
touch l/word l/mode l/mod.py l/gone/a l/gone/b l/__pycache__/old.pyc l/sub/mod.py l/__pycache__/data b/tool
printf '[types]\nlaunch = true\ncache = true\n' > l.toml
printf '[types]\nbuild = true\n' > b.toml
echo '{}' > l.sbom.cdx.json
echo '{}' > launch.sbom.cdx.json
"""

# The first path that is told, and what was done below the earlier buildpack's folder.
ATTEMPTS = {
    "content": ("l/word", "echo evil > l/word"),
    "mode": ("l/mode", "chmod 600 l/mode"),
    "time": ("l/word", "touch -r l l/word"),
    "new": ("l/sub/new", "echo evil > l/sub/new"),
    "gone": ("l/gone", "rm l/gone/a"),
    "gone behind a cache": ("l/gone", "rm l/gone/a; mkdir l/gone/__pycache__; : > l/gone/__pycache__/a.pyc"),
    "gone from a cache": ("l/__pycache__", "rm l/__pycache__/data"),
    "all gone": ("l", "rm -r l"),
    "a link in its place": ("l", "mv l ../kept; ln -s ../kept l"),
    "another in its place": ("l", 'mkdir "$1/o"; touch -d @1 "$1/o"; mv l ../kept; mv "$1/o" l'),
    "hard link": ("l/word", 'ln l/word "$1/word"'),
    "bytecode that needs no source": ("l/evil.pyc", ": > l/evil.pyc"),
    "no bytecode": ("l/__pycache__/evil.so", ": > l/__pycache__/evil.so"),
    "a link to bytecode": ("l/__pycache__/a.pyc", 'ln -s "$1/a.pyc" l/__pycache__/a.pyc'),
    "a folder of bytecode": ("l/__pycache__/a.pyc", "mkdir l/__pycache__/a.pyc"),
    "the folder above": ("", "chmod 777 ."),
    "for the build only": ("b/tool", "echo evil > b/tool"),
    "a layer's SBOM": ("l.sbom.cdx.json", "echo '[]' > l.sbom.cdx.json"),
    "a layer's new SBOM": ("l.sbom.spdx.json", "echo '[]' > l.sbom.spdx.json"),
    "the app's SBOM": ("launch.sbom.cdx.json", "echo '[]' > launch.sbom.cdx.json"),
}

BOTH = pytest.mark.parametrize(
    "place", ["local", pytest.param("gnu", marks=pytest.mark.docker)], indirect=True
)


def prepared(place: Place, *scripts: str) -> Place:
    """The same place, emptied, with an honest buildpack `acme/a` and those of the `scripts` after it."""
    place.env.script(f"rm -rf {place.root}/*")
    place.group.clear()
    place.buildpack("acme/a", HONEST)
    for letter, script in zip("bcd", scripts, strict=False):
        place.buildpack(f"acme/{letter}", f"cd ../acme_a\n{script}")
    return place


def exported(place: Place, trusts: Callable[[GroupElement], bool] = nobody) -> Exportable:
    """Build, and look at what there is to export."""
    built = place.build()
    found = collect(place.env, built, layers_dir=f"{place.root}/layers", app_dir=f"{place.root}/app")
    return without_meddling(place.env, built, found, None, trusts)


def told(place: Place) -> str:
    """What the error of a build says, "" for none."""
    try:
        exported(place)
    except ChangedLayer as exc:
        return str(exc).replace(f"{place.root}/layers/acme_a", "A")
    return ""


@BOTH
def test_each_way_to_change_an_earlier_ones_layer_is_an_error_that_tells_who_and_what(place: Place) -> None:
    """S-51"""
    found = {what: told(prepared(place, script)) for what, (_, script) in ATTEMPTS.items()}

    who = "buildpack acme/b@1.0 changed what acme/a@1.0 had made: A"
    assert {what: text.removeprefix(who).partition(" and ")[0] for what, text in found.items()} == {
        what: f"/{path}" if path else "" for what, (path, _) in ATTEMPTS.items()
    }


@BOTH
def test_it_is_told_who_of_several_it_was(place: Place) -> None:
    assert "buildpack acme/c@1.0 changed" in told(prepared(place, "true", "touch l/c", "true"))
    assert "buildpack acme/b@1.0 or acme/c@1.0 changed" in told(prepared(place, "true", "rm -r l"))


@BOTH
def test_what_only_reads_or_writes_elsewhere_is_no_change(place: Place) -> None:
    reads = 'cat l/word l.toml; cp -r l "$1/copy"; cd "$1"; touch later; echo > ../../app/now'

    assert told(prepared(place, reads, reads)) == ""


@BOTH
def test_bytecode_is_taken_out_again_with_the_folders_made_for_it(place: Place) -> None:
    """S-51"""
    expected = exported(prepared(place, "true")).listings
    compiles = """
    for folder in l l/sub l/gone; do
        mkdir -p $folder/__pycache__; : > $folder/__pycache__/mod.cpython-312.pyc
    done
    mkdir l/gone/deep; rmdir l/gone/deep
    : > l/__pycache__/cut.cpython-312.pyc.140234234; : > l/__pycache__/"a b'c.pyc"
    """
    heard: list[Event] = []

    with listening(heard.append):
        found = exported(prepared(place, compiles)).listings

    layer = f"{place.root}/layers/acme_a/l"
    assert [(each.path, each.mode) for each in found[layer].entries] == [
        (each.path, each.mode) for each in expected[layer].entries
    ]
    assert found[layer] == place.env.scan([layer])[0]
    details = [event.text for event in heard if isinstance(event, Detail)]
    assert sum("Removing" in text and "acme/b@1.0" in text for text in details) == 5
    assert not [event for event in heard if isinstance(event, Warned)]


@BOTH
def test_what_trusted_buildpacks_do_is_a_warning(place: Place) -> None:
    heard: list[Event] = []
    prepared(place, "echo more > l/word", "echo more > l/mode")

    with listening(heard.append):
        exported(place, lambda _: True)

    warned = [event.text for event in heard if isinstance(event, Warned)]
    assert [text.partition(" changed")[0] for text in warned] == [
        "buildpack acme/c@1.0",
        "buildpack acme/b@1.0",
    ]
    with pytest.raises(ChangedLayer, match=r"acme/c@1\.0 changed"):
        exported(prepared(place, "echo more > l/word", "touch l/mode"), lambda it: it.id == "acme/b")


@BOTH
def test_a_change_at_once_is_none_of_the_tick_before(place: Place) -> None:
    """The clock of files ticks every few milliseconds: the next buildpack begins when it has."""
    assert [bool(told(prepared(place, "echo evil > l/word"))) for _ in range(5)] == [True] * 5


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_a_clock_that_was_set_back_accuses_nobody(place: Place) -> None:
    """F-24: what is dated after the end of the build was dated by a clock that is not the one of the beginning."""
    built = prepared(place, "true").build()
    found = collect(place.env, built, layers_dir=f"{place.root}/layers", app_dir=f"{place.root}/app")
    first = built.buildpacks[0]
    back = replace(
        built, buildpacks=(replace(first, left=replace(first.left, moment=1)), built.buildpacks[1])
    )

    with pytest.raises(ChangedLayer):
        without_meddling(place.env, back, found, None, nobody)

    config = f"{place.root}/layers/config"
    early = tuple(replace(entry, ctime=2) for entry in found.listings[config].entries)
    listings = {**found.listings, config: replace(found.listings[config], entries=early)}
    dated = replace(found, listings=listings)
    assert without_meddling(place.env, back, dated, None, nobody) is dated


@pytest.mark.docker
@pytest.mark.parametrize("place", ["busybox"], indirect=True)
def test_without_gnu_find_nothing_is_known_and_nobody_accused(place: Place) -> None:
    assert told(prepared(place, "echo evil > l/word")) == ""
