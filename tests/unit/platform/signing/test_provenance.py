"""SLSA provenance: what stands in it, and the commit of the source, read without running git."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from pybuild.oci.statement import Envelope, pre_authentication, signed_digest, simple_signing, statement
from pybuild.platform.signing.provenance import PREDICATE, Material, Provenance, source_material

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "sha256:" + "a" * 64
GIVEN = Provenance(
    builder="acme/builder:1",
    run_image="acme/run:1",
    default_process="web",
    variables=("A", "B"),
    materials=(Material(name="builder", uri="docker-image:acme/builder:1", digest=DIGEST),),
    started=0.5,
    finished=61,
)


def test_a_statement_names_the_image_and_all_that_it_was_made_of() -> None:
    value = json.loads(statement(["registry.example/app"], DIGEST, PREDICATE, GIVEN.predicate()))

    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["subject"] == [{"name": "registry.example/app", "digest": {"sha256": "a" * 64}}]
    assert value["predicateType"] == "https://slsa.dev/provenance/v1"
    definition, details = value["predicate"]["buildDefinition"], value["predicate"]["runDetails"]
    assert definition["externalParameters"]["variables"] == ["A", "B"]
    assert definition["resolvedDependencies"] == [
        {"name": "builder", "uri": "docker-image:acme/builder:1", "digest": {"sha256": "a" * 64}}
    ]
    assert details["metadata"] == {"startedOn": "1970-01-01T00:00:00Z", "finishedOn": "1970-01-01T00:01:01Z"}


def test_an_envelope_reads_as_it_was_written_and_signs_its_type_too() -> None:
    envelope = Envelope(payload_type="text/x", payload=b"hello", signature=b"\x00\xff")

    assert Envelope.read(envelope.write(), where="test") == envelope
    assert pre_authentication("text/x", b"hello") == b"DSSEv1 6 text/x 5 hello"


def test_a_payload_of_another_kind_names_no_digest() -> None:
    assert signed_digest(simple_signing("acme/app", DIGEST)) == DIGEST
    assert signed_digest(b'{"critical": {"image": {"docker-manifest-digest": "x"}, "type": "atomic"}}') == ""
    assert signed_digest(b"[]") == ""


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize("state", ["branch", "packed", "detached", "below"])
def test_the_commit_of_the_source_is_the_one_that_git_tells(tmp_path: Path, state: str) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    folder = tmp_path
    if state == "packed":
        git(tmp_path, "pack-refs", "--all")
    elif state == "detached":
        git(tmp_path, "checkout", "-q", "--detach")
    elif state == "below":
        folder = tmp_path / "app"
        folder.mkdir()

    (found,) = source_material(folder)

    assert (found.name, found.digest) == ("source", f"sha1:{commit}")


@pytest.mark.parametrize(
    "head", ["", "ref: refs/../../../../etc/passwd", "ref: refs/heads/none", "nonsense", "a" * 41]
)
def test_a_head_that_means_nothing_gives_no_commit(tmp_path: Path, head: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)

    assert source_material(tmp_path) == ()
