"""A short walk of the fuzzer over every reader of what strangers write, and what longer ones have found (`make fuzz`).

Reliability: G3, G8, S-16, S-28, S-36, S-44.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidFile, InvalidReference, PybuildError, SourceUnusable
from pybuild.lifecycle.dockerignore import Ignore
from pybuild.oci.reference import Reference
from pybuild.oci.statement import Envelope
from pybuild.platform import source_zip
from pybuild.platform.selection import Selection
from support.fuzzing import Target, mutated, probe, search, targets

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = targets()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_reader_of_strangers_text_ends_soon_in_a_value_or_in_one_sentence(target: Target) -> None:
    found = list(search([target], seconds=0.15, seed=7))

    assert [(each.what, each.data[:2000]) for each in found] == []


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_its_seeds_mean_something_so_that_the_walk_begins_inside(target: Target) -> None:
    read = 0
    for seed in target.seeds:
        try:
            target.read(seed)
        except PybuildError:
            continue
        read += 1

    assert target.seeds
    assert read > 0 or target.name in {"Dockerfile", "index"}


def test_the_fuzzer_finds_what_it_is_for() -> None:
    def crash(data: bytes) -> None:
        if b"[" in data:
            raise KeyError("found")

    (found,) = search([Target("crash", crash, (b"abc",))], seconds=1, seed=1)

    assert found.target == "crash"
    assert "KeyError: 'found'" in found.what


def test_an_input_that_takes_too_long_is_a_finding() -> None:
    def hang(_: bytes) -> None:
        while True:
            pass

    found = probe(Target("hang", hang, ()), b"", seconds=0.05)

    assert found is not None
    assert "TimeoutError" in found.what


def test_mutations_of_one_seed_are_the_same_for_the_same_chance() -> None:
    import random

    first, second = (mutated(b"some text", [b"other"], random.Random(5)) for _ in range(2))

    assert first == second


def test_stars_without_end_are_refused_and_not_matched_for_ever() -> None:
    """Found by the fuzzer: a pattern and a name for it that would have taken years."""
    with pytest.raises(InvalidFile, match="too many stars"):
        Selection.of(exclude=["*a" * 20])
    with pytest.raises(InvalidFile, match="too many stars"):
        Ignore.read(b"*a" * 20, where=".dockerignore")
    assert Ignore.read(b"**/*.py[cod]\n*a*b*", where="f").leaves_out("x/y.pyc")


@pytest.mark.parametrize("pattern", ["x[a:9-0]", "x[z-a]"])
def test_a_range_that_runs_backwards_is_no_pattern(pattern: str) -> None:
    """Found by the fuzzer: Python's error for it came through."""
    with pytest.raises(InvalidFile, match="none that git knows"):
        Selection.of(exclude=[pattern])


def test_an_envelope_with_letters_of_no_base64_is_none() -> None:
    """Found by the fuzzer: beyond ASCII it is another error of Python's."""
    with pytest.raises(InvalidFile, match="no DSSE envelope"):
        Envelope.read('{"payloadType":"a","payload":"\u202e","signatures":[{"sig":""}]}'.encode(), where="f")


def test_a_zip_with_damaged_content_is_told_as_one(tmp_path: Path) -> None:
    """Found by the fuzzer: zlib's own error came through."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("file", b"content " * 200)
    data = bytearray(packed.getvalue())
    start = 30 + len("file")
    data[start : start + 12] = b"\xff" * 12
    (tmp_path / "app.zip").write_bytes(data)

    reader = source_zip.reader(tmp_path / "app.zip", Selection())
    opened = reader.open(next(iter(reader.walk())))

    assert opened is not None
    with pytest.raises(SourceUnusable, match="file"):
        opened.read(1 << 16)


def test_an_error_about_a_name_shows_its_beginning_only() -> None:
    """Found by the fuzzer."""
    with pytest.raises(InvalidReference) as caught:
        Reference.parse("X" * 50_000)

    assert len(str(caught.value)) < 500
