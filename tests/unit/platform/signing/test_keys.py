"""Keys for signing: files that only their owner reads, passwords, and what is no key."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidInput
from pybuild.platform.signing import keys

if TYPE_CHECKING:
    from pathlib import Path


def pair(folder: Path, password: str = "") -> tuple[Path, Path]:
    private, public = folder / "a.key", folder / "a.pub"
    keys.make_pair(private, public, password=password)
    return private, public


def test_what_one_key_of_a_pair_signs_the_other_one_checks(tmp_path: Path) -> None:
    private, public = pair(tmp_path)

    signature = keys.read_private(private, password="").sign(b"message")

    assert keys.read_public(public).holds(signature, b"message")
    assert not keys.read_public(public).holds(signature, b"another")
    assert not keys.read_public(public).holds(b"nonsense", b"message")


def test_the_private_file_is_its_owners_and_none_is_overwritten(tmp_path: Path) -> None:
    private, _ = pair(tmp_path)

    assert private.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InvalidInput, match=r"a\.key cannot be written: File exists"):
        pair(tmp_path)


@pytest.mark.parametrize(
    ("password", "given", "said"), [("x", "", "a password"), ("", "x", "no password"), ("x", "y", "wrong")]
)
def test_a_password_is_asked_for_by_name(tmp_path: Path, password: str, given: str, said: str) -> None:
    private, _ = pair(tmp_path, password)

    assert keys.read_private(private, password=password).sign(b"")
    with pytest.raises(InvalidInput, match=said):
        keys.read_private(private, password=given)


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_key_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "no.key").write_bytes(content)

    for read in (keys.read_public, lambda path: keys.read_private(path, password="")):
        with pytest.raises(InvalidInput, match=r"no\.key"):
            read(tmp_path / "no.key")
    with pytest.raises(InvalidInput, match=r"absent\.pub is no readable"):
        keys.read_public(tmp_path / "absent.pub")


def test_keys_of_openssl_serve_too_but_not_those_of_other_kinds(tmp_path: Path) -> None:
    for kind, words in (("ed25519", []), ("rsa", ["-pkeyopt", "rsa_keygen_bits:2048"])):
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", kind, *words, "-out", tmp_path / kind],
            check=True,
            capture_output=True,
        )

    key = keys.read_private(tmp_path / "ed25519", password="")

    assert key.public.holds(key.sign(b"message"), b"message")
    with pytest.raises(InvalidInput, match="no kind that signs images"):
        keys.read_private(tmp_path / "rsa", password="")
