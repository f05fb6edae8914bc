"""A short walk of the fuzzer over every reader of what strangers write, and what longer ones have found (`make fuzz`).

Reliability: G3, G8, S-16, S-28, S-36, S-44.
"""

from __future__ import annotations

import base64
import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidFile, InvalidInput, InvalidReference, PybuildError, SourceUnusable
from pybuild.libcnb import dpkg
from pybuild.libcnb.archive import unpack
from pybuild.libcnb.digest import Digest
from pybuild.libcnb.problem import Problem
from pybuild.lifecycle.dockerignore import Ignore
from pybuild.oci.reference import Reference
from pybuild.oci.statement import Envelope
from pybuild.platform.app import source_zip
from pybuild.platform.app.selection import Selection
from pybuild.platform.signing import keys
from pybuild.platform.signing.provenance import source_material
from pybuild.spec.builder_toml import BuilderToml
from pybuild.spec.fixture import Fixture
from pybuild.spec.registry_index import RegistryId
from pybuild.spec.target import TargetSpec
from pybuild.stores.tokens import Challenge, Tokens
from support.fuzzing import Target, mutated, probe, search, targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TARGETS = targets()
PUBLIC = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPteijsZI7c5dW34lL2sqr7tEg1EUoks8qo9xD2SZO8JXEaNM3JIpCAtjnwmXf+t8qR7M4WSb"
    "/qithccrIGrefg=="
)


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


def test_a_status_without_a_name_is_no_package() -> None:
    """Found by the fuzzer."""
    assert dpkg.essential("Version: 1\nStatus: install ok installed\n") == ""


def test_a_branch_with_a_zero_byte_is_no_commit(tmp_path: Path) -> None:
    """Found by the fuzzer: whose app this is may have made its .git, too."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_bytes(b"ref: refs/heads/\0\n")

    assert source_material(tmp_path) == ()


def test_a_key_of_a_kind_that_nobody_knows_is_no_key(tmp_path: Path) -> None:
    """Found by the fuzzer."""
    content = base64.b64decode(PUBLIC).replace(
        b"\x2a\x86\x48\xce\x3d\x02\x01", b"\x2a\x86\x48\xce\x3f\xc2\x01"
    )
    armed = base64.b64encode(content).decode()
    (tmp_path / "key.pub").write_text(f"-----BEGIN PUBLIC KEY-----\n{armed}\n-----END PUBLIC KEY-----\n")

    with pytest.raises(InvalidInput, match=r"key\.pub is no public key"):
        keys.read_public(tmp_path / "key.pub")


@pytest.mark.parametrize(
    "read",
    [
        lambda: Fixture.read(b'detect = "' + b"x" * 9000 + b'"', "f"),
        lambda: BuilderToml.read(b"x" * 9000 + b" = 1", "f"),
        lambda: RegistryId.parse(f"a/b@{'x' * 9000}"),
        lambda: TargetSpec.parse(f"linux/{'x' * 9000}"),
        lambda: Digest.parse("x" * 9000),
    ],
    ids=["expect.toml", "builder.toml", "registry id", "target", "digest"],
)
def test_no_error_repeats_all_of_a_long_text(read: Callable[[], object]) -> None:
    """Found by the fuzzer."""
    with pytest.raises(PybuildError) as caught:
        read()

    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "content",
    [
        b"\x1f\x8b\x08\x04" + b"\0" * 6 + b"\xff\xff" + b"\xff" * 600,
        b"\x1f\x8b\x08\xe4\0\0\0\0\0\0\2\0",
        "zip",
    ],
    ids=["damaged gzip header", "short gzip header", "zip entry before its beginning"],
)
def test_a_damaged_archive_is_a_problem_of_its_buildpack(tmp_path: Path, content: bytes | str) -> None:
    """Found by the fuzzer: slips of Python's own modules came through."""
    if isinstance(content, str):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("file", b"content")
        data = bytearray(packed.getvalue())
        end = data.rindex(b"PK\x05\x06")
        # Where the list of files begins, by its own word: further on than it is, so that all before it lies before 0.
        data[end + 16 : end + 20] = (1 << 20).to_bytes(4, "little")
        content = bytes(data)
    (tmp_path / "a.bin").write_bytes(content)

    with pytest.raises(Problem, match="cannot be read"):
        unpack(tmp_path / "a.bin", tmp_path / "to")


def test_a_token_servers_name_is_told_by_its_beginning_only() -> None:
    """Found by the fuzzer."""
    challenge = Challenge.read(f'Bearer realm="https://{"9" * 9000}/x"')
    assert challenge is not None

    with pytest.raises(PybuildError) as caught:
        Tokens("https://registry.example.com", None).refused("", challenge, (), lambda *_: b"{")

    assert len(str(caught.value)) < 1000


def test_a_challenge_of_one_long_word_is_read_at_once() -> None:
    """Found by the fuzzer: from each of its letters the word was read again to its end. G3."""
    found = probe(
        Target("challenge", lambda data: Challenge.read(data.decode()), ()),
        b"Bearer " + b"x" * 60_000,
        seconds=1,
    )

    assert found is None
