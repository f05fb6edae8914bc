"""What a build learnt of a builder's bundles serves the next one, for as long as nothing about it has changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pybuild.platform.certificates import BINDING_DIR, BUNDLE, deliver, parse, pem
from pybuild.platform.known_trust import known_trust, remember_trust, trust_key
from support.authority import certificate

if TYPE_CHECKING:
    from pathlib import Path

THEIRS = "/etc/ssl/certs/ca-certificates.crt"


def test_what_was_delivered_is_delivered_again_by_mounts(tmp_path: Path) -> None:
    delivery = deliver([certificate("ours"), certificate("two")], {THEIRS: pem(certificate("theirs"))})

    remember_trust("key", delivery, tmp_path / "trust")
    found = known_trust("key", tmp_path / "trust")

    assert found is not None
    assert found.delivery == delivery
    assert set(found.mounts) in ({THEIRS, BUNDLE, BINDING_DIR}, set())
    if found.mounts:
        assert len(parse(found.mounts[THEIRS].read_bytes())) == 3
        assert sorted(each.name for each in found.mounts[BINDING_DIR].iterdir()) == [
            "pybuild-001.crt",
            "pybuild-002.crt",
            "type",
        ]


def test_a_builder_that_trusts_all_already_is_remembered_as_such(tmp_path: Path) -> None:
    delivery = deliver([certificate("ours")], {THEIRS: pem(certificate("ours"))})

    remember_trust("key", delivery, tmp_path)
    found = known_trust("key", tmp_path)

    assert found is not None
    assert (found.delivery.files, found.delivery.environ, found.mounts) == ({}, {}, {})


@pytest.mark.parametrize("damage", ["paths", "bundle.crt", "binding"])
def test_what_is_damaged_is_learnt_anew(tmp_path: Path, damage: str) -> None:
    remember_trust("key", deliver([certificate("ours")], {THEIRS: b"x"}), tmp_path)
    (tmp_path / "key" / damage).rename(tmp_path / "elsewhere")

    assert known_trust("key", tmp_path) is None
    assert known_trust("other", tmp_path) is None


def test_another_builder_or_another_certificate_is_another_question(tmp_path: Path) -> None:
    file = tmp_path / "company.crt"
    file.write_bytes(pem(certificate("ours")))
    environ = {"PYBUILD_CA_CERTS": str(file)}
    first = trust_key("sha256:a", environ)

    assert trust_key("sha256:a", environ) == first
    assert trust_key("sha256:b", environ) != first
    assert trust_key("sha256:a", {}) != first
    file.write_bytes(pem(certificate("next year's")))
    assert trust_key("sha256:a", environ) != first


def test_builders_that_are_gone_do_not_stay_for_ever(tmp_path: Path) -> None:
    delivery = deliver([certificate("ours")], {THEIRS: b"x"})
    for number in range(12):
        remember_trust(f"key{number}", delivery, tmp_path)
        os.utime(tmp_path / f"key{number}", (number, number))

    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        f"key{number}" for number in range(4, 12)
    )


def test_a_folder_that_cannot_be_written_fails_no_build(tmp_path: Path) -> None:
    (tmp_path / "trust").write_text("a file")

    remember_trust("key", deliver([certificate("ours")], {THEIRS: b"x"}), tmp_path / "trust")

    assert known_trust("key", tmp_path / "trust") is None
