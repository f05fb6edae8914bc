"""`pybuild compare`: the words it takes, and the table that it prints, within 80 columns and without surprises."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.cli.show.compare_table import lines_of
from pybuild.oci import tar
from pybuild.oci.digest import sha256
from pybuild.platform.images.compare import LayerFiles, compare_facts
from pybuild.platform.images.compare_build import BuildComparison, ToolRun
from pybuild.platform.images.entry_changes import entry_changes, read_entries
from pybuild.platform.images.image_facts import ImageFacts
from pybuild.platform.images.sbom_changes import Sbom, sbom_changes
from pybuild.stores.api import StoredImage
from support.layouts import LayoutMaker, layer_of, named

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.platform.images.compare import Comparison
    from support.cli import Lab


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected two images, found 0"),
        (["a"], "expected two images, found 1"),
        (["a", "b", "c"], "expected two images, found 3"),
        (["a", "b", "--keep"], "are for --build"),
        (["a", "b", "--build", "."], "leave out A and B"),
        (["a", "b", "--no-such"], "--no-such"),
    ],
)
def test_words_that_do_not_go_together_are_a_usage_error(words_lab: Lab, words: list[str], said: str) -> None:
    outcome = words_lab.run("compare", *words)

    assert (outcome.code, outcome.stdout) == (2, "")
    assert said in outcome.errors[0]


def test_a_name_that_is_none_and_an_engine_that_is_none_are_told(words_lab: Lab) -> None:
    words_lab.run("compare", "a/B", "b").failed(3, "capital letter")
    words_lab.run("compare", "a", "b").failed(4, "there is no Docker Engine")
    words_lab.run("compare", "oci:nowhere", "b").failed(7, "nowhere")


def test_without_a_pack_nothing_is_built(words_lab: Lab) -> None:
    words = ("compare", "--build", ".", "--builder", "b")

    words_lab.run(*words, PATH="/nowhere").failed(3, "there is no pack on PATH")
    words_lab.run(*words, PACK="/nowhere/pack").failed(3, "PACK names '/nowhere/pack'")


def test_a_builder_must_be_named_here_or_in_the_project(words_lab: Lab) -> None:
    words_lab.run("compare", "--build", ".", PACK="/bin/true").failed(3, "no builder is named")
    words_lab.run("compare", "--build", "nowhere", PACK="/bin/true").failed(7, "nowhere does not exist")
    (words_lab.app / "project.toml").write_text(
        '[_]\nschema-version = "0.2"\n[io.buildpacks]\nbuilder = "x/y"\n'
    )
    words_lab.run("compare", "--build", ".", PACK="/bin/true").failed(4, "there is no Docker Engine")


def test_trouble_never_has_the_exit_code_that_says_different(words_lab: Lab, tmp_path: Path) -> None:
    """1 says that the images differ, so that scripts can rely on it; also where an error's own code is 1."""
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"x" * 2000)

    outcome = words_lab.run("compare", f"docker-archive:{broken}", f"docker-archive:{broken}")

    assert outcome.code > 1
    assert len(outcome.errors) == 1


def test_images_in_layouts_and_archives_are_compared_without_an_engine(
    words_lab: Lab, tmp_path: Path
) -> None:
    layout = LayoutMaker(tmp_path / "layout")
    one, other = layer_of(a="1", b="1"), layer_of(a="2", b="1")
    layout.index(
        {**layout.image([one]), **named("one")},
        {**layout.image([one], compress=False), **named("plain")},
        {**layout.image([other], config={"config": {"User": "x"}}), **named("other")},
    )
    archive = layout.archive(tmp_path / "layout.tar")
    places = [f"oci:{layout.folder}:one", f"oci-archive:{archive}:plain", f"oci:{layout.folder}:other"]

    same = words_lab.run("compare", *places[:2], "--json")
    differing = words_lab.run("compare", *places[1:], "--json")
    missing = words_lab.run("compare", places[0], f"oci:{layout.folder}:none")

    # Their manifests differ, the configuration is one and the same.
    assert (same.code, json.loads(same.stdout)["identical"]) == (0, True)
    found = json.loads(differing.stdout)
    assert differing.code == 1
    assert [file["path"] for file in found["files"][0]["files"]] == ["/a"]
    assert {each["path"] for each in found["differences"]} == {"id", "User", "made-by"}
    missing.failed(3, f"oci:{layout.folder}:none")


def layer(**files: bytes) -> bytes:
    entries = [
        (tar.TarEntry(f"/workspace/{name}".encode(), tar.FILE, 0o644, 0, 0, len(content)), content)
        for name, content in files.items()
    ]
    return b"".join(tar.write(entries))


def facts(
    name: str, app: bytes, *, key: str, labels: dict[str, str] | None = None, **config: Any
) -> ImageFacts:
    metadata = {
        "app": [{"sha": sha256(app)}],
        "sbom": {"sha": sha256(b"sbom" + app)},
        "runImage": {"topLayer": sha256(b"base"), "image": "acme/run"},
    }
    stored = StoredImage(
        id=sha256(key.encode()),
        config={"os": "linux", "architecture": "amd64", "created": "1980-01-01T00:00:01Z", "config": config},
        diff_ids=(sha256(b"below"), sha256(b"base"), sha256(b"sbom" + app), sha256(app)),
        labels={"io.buildpacks.lifecycle.metadata": json.dumps(metadata), **(labels or {})},
        size=1_000_000,
    )
    return ImageFacts.of(stored, name, complete=False)


@pytest.fixture
def different() -> Comparison:
    """Two images of which a bit of everything differs."""
    one, other = layer(same=b"x", old=b"x", changed=b"x"), layer(same=b"x", changed=b"yyy", new=b"x")
    a = facts("acme/app:1", one, key="1", Env=["A=1"], User="cnb")
    b = facts(
        "acme/app:2", other, key="2", Env=["A=2"], User="cnb", labels={"very-long": "x" * 100 + "\x1b[2J"}
    )
    found = compare_facts(a, b)
    changes = entry_changes(read_entries([one]), read_entries([other]))
    sboms = [{"acme/dep (cdx)": Sbom(digest=word, components=frozenset([word]))} for word in ("a@1", "a@2")]
    return replace(
        found,
        files=(LayerFiles(pair=found.changed_layers[-1], changes=changes),),
        sbom=sbom_changes(sboms[0], sboms[1]),
        notes=("a note",),
    )


def text(found: Comparison | BuildComparison, *, everything: bool = False, colour: bool = False) -> str:
    return "\n".join(lines_of(found, width=80, everything=everything, colour=colour)) + "\n"


def test_the_table_shows_all_that_differs(different: Comparison) -> None:
    digests = {
        "IDONE": different.a.id[7:19],
        "IDTWO": different.b.id[7:19],
        "BASE": sha256(b"base")[7:19],
        **{
            f"LAYER{at}": each.diff_id[7:19]
            for at, each in enumerate((*different.a.layers[2:], *different.b.layers[2:]))
        },
    }
    shown = text(different)
    for word, digest in digests.items():
        shown = shown.replace(digest, word)

    assert (
        shown
        == """\
A  acme/app:1
B  acme/app:2

               A                     B
ID             IDONE          IDTWO
platform       linux/amd64           same
created        1980-01-01T00:00:01Z  same
size           1.0 MB                same
run image      acme/run              same
its top layer  BASE          same
layers         4                     same
processes      none                  same

They differ: 2 layers, 1 in configuration, 3 in labels.

LAYERS, bottom first
  = run image (2 layers)  BASE
  ~ sbom                  LAYER0 -> LAYER2
  ~ app slice 1           LAYER1 -> LAYER3

FILES of app slice 1: 1 added, 1 removed, 1 changed
  ~ /workspace/changed  content, size 1 B -> 3 B
  + /workspace/new  file, 1 B
  - /workspace/old  file, 1 B

CONFIGURATION
  ~ Env.A  1 -> 2

LABELS
  ~ io.buildpacks.lifecycle.metadata
  ~   .app[0].sha  LAYER1 -> LAYER3
  ~   .sbom.sha  LAYER0 -> LAYER2
  + very-long
      xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…

SBOM
  ~ acme/dep (cdx): 1 added, 1 removed
  +   a@2
  -   a@1

Note:  a note
"""
    )


def test_no_line_is_longer_than_the_terminal_and_no_name_moves_the_cursor(different: Comparison) -> None:
    """S-38."""
    assert max(map(len, text(different).splitlines())) <= 80
    assert "\x1b" not in text(different, everything=True)
    assert "\\x1b[2J" in text(different, everything=True)


def test_no_name_adds_a_line_of_its_own() -> None:
    """S-38: a path, a label's name and a value may hold line ends."""
    one = facts("a", b"x", key="1", labels={"l\n= all the same": "v"})
    found = replace(
        compare_facts(one, facts("b\nc", b"x", key="2", labels={"v": "1\n2"})),
        files=(),
        notes=("n\nm",),
    )
    changes = entry_changes([], read_entries([layer(**{"f\n= same": b""})]))
    found = replace(found, files=(LayerFiles(pair=found.layers[0], changes=changes),))

    lines = text(found).splitlines()

    assert "B  b\\nc" in lines
    assert "  + /workspace/f\\n= same  file, 0 B" in lines
    assert "  - l\\n= all the same  v" in lines
    assert "  + v  1 2" in lines
    assert "Note:  n m" in lines


def test_colours_add_nothing_but_colour(different: Comparison) -> None:
    import re

    coloured = text(different, colour=True)

    assert "\x1b[32m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text(different)


def test_long_lists_are_cut_and_say_so(different: Comparison) -> None:
    many = entry_changes([], read_entries([layer(**{f"f{number:03}": b"" for number in range(50)})]))
    found = replace(different, files=(replace(different.files[0], changes=many),))

    assert "… and 30 more: -v shows more" in text(found)
    assert "/workspace/f049" not in text(found)
    assert "/workspace/f049" in text(found, everything=True)


def test_files_beyond_what_is_listed_are_told_as_a_number(different: Comparison) -> None:
    changes = replace(different.files[0].changes, added=100_000)
    found = replace(different, files=(replace(different.files[0], changes=changes),))

    assert "… and 99999 more, not listed" in text(found, everything=True)


def test_the_same_image_is_told_in_one_line() -> None:
    one = facts("a", b"x", key="1")

    shown = text(compare_facts(one, replace(one, name="b")))

    assert shown.endswith("\nThey are the same image: nothing else was looked at.\n")
    assert "LAYERS" not in shown


def test_only_another_id_is_no_riddle() -> None:
    one = facts("a", b"x", key="1")

    found = compare_facts(one, replace(one, name="b", id=sha256(b"other")))

    assert not found.same
    assert "Only their IDs differ" in text(found)


def test_times_of_both_tools_come_first(different: Comparison) -> None:
    runs = (
        ToolRun(tool="pybuild", version="1", image="x/pybuild", first=1.0, rebuild=0.5),
        ToolRun(tool="pack", version="2", image="x/pack", first=2.0, rebuild=5.0),
    )
    built = BuildComparison(app=".", builder="b", runs=runs, comparison=different, kept=False, notes=("how",))

    assert text(built).startswith(
        "TOOL            FIRST BUILD  REBUILD  VERSION\n"
        "pybuild         1.0 s        0.5 s    1\n"
        "pack            2.0 s        5.0 s    2\n"
        "pybuild / pack  0.50         0.10\n"
        "\n"
        "Note:  how\n"
        "\n"
        "A  acme/app:1\n"
    )
    assert built.as_json()["tools"][1]["rebuild_seconds"] == 5.0
    assert list(built.as_json()) == ["same", "app", "builder", "kept", "tools", "comparison", "notes"]
