"""What is attached to an image: in a registry that knows referrers, in one that does not, and in Debian's.

OCI distribution-spec 1.1, "Listing Referrers", "Referrers Tag Schema"; signatures as cosign has them (S-49).
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidArchive, NotTrusted
from pybuild.gojson import dumps
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.oci.statement import IN_TOTO
from pybuild.platform.signing import keys, signatures
from pybuild.stores import attachments, blobs
from pybuild.stores.attachments import Attachment, Part
from pybuild.stores.blobs import Blob, Bytes
from pybuild.stores.keychain import Keychain
from pybuild.stores.registry import RegistryStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pybuild.stores.blobs import Place
    from support.registry import Registry

NOTE = Attachment(
    artifact_type=IN_TOTO,
    parts=[Part(media_type=IN_TOTO, content=b'{"a note": true}', annotations={"kind": "note"})],
    annotations={"about": "a test"},
)
OTHER = Attachment(
    artifact_type="application/vnd.example", parts=[Part(media_type="text/plain", content=b"x")]
)


@dataclass
class Shelf:
    """A repository with one image, in some registry."""

    store: RegistryStore
    name: Reference
    digest: str

    @property
    def place(self) -> Place:
        return self.store.place(self.name)


def put_image(store: RegistryStore, name: Reference, word: str) -> str:
    """The smallest image that a registry takes; its manifest's digest."""
    place = store.place(name)
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {"User": word}, "rootfs": {}}
    ).encode()
    blobs.ensure(place, Blob(digest=sha256(config), size=len(config), source=Bytes(config)))
    kind = "application/vnd.oci.image.manifest.v1+json"
    described = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": sha256(config),
        "size": len(config),
    }
    text = dumps({"schemaVersion": 2, "mediaType": kind, "config": described, "layers": []}).encode()
    place.transport.ask(
        "PUT",
        f"{place.path}/manifests/{name.tag}",
        scopes=place.push,
        headers={"Content-Type": kind},
        body=text,
        expect=(201,),
    )
    return sha256(text)


@pytest.fixture(params=["referrers", "tags", "debian"])
def shelf(request: pytest.FixtureRequest, registry: Registry) -> Iterator[Shelf]:
    registry.referrers = request.param == "referrers"
    host, environ = registry.host, {"HOME": "/nonexistent"}
    if request.param == "debian":
        debian = request.getfixturevalue("debian_registry")
        host, environ = debian.host, {**environ, "DOCKER_CONFIG": str(debian.config)}
    store = RegistryStore(Keychain(environ), environ=environ)
    with closing(store):
        name = Reference.parse(f"{host}/acme/attached:1")
        yield Shelf(store=store, name=name, digest=put_image(store, name, request.node.name))


def test_what_is_attached_is_found_by_its_type_as_it_was_given(shelf: Shelf) -> None:
    attachments.attach(shelf.place, shelf.digest, NOTE)
    attachments.attach(shelf.place, shelf.digest, OTHER)

    (found,) = attachments.attached(shelf.place, shelf.digest, IN_TOTO)

    assert (found.parts, found.annotations) == (tuple(NOTE.parts), NOTE.annotations)
    assert attachments.attached(shelf.place, shelf.digest, "application/vnd.none") == ()


def test_the_same_attached_twice_is_there_once_and_two_are_both_there(shelf: Shelf) -> None:
    second = Attachment(artifact_type=IN_TOTO, parts=[Part(media_type=IN_TOTO, content=b"{}")])

    digests = [attachments.attach(shelf.place, shelf.digest, each) for each in (NOTE, NOTE, second)]

    assert digests[0] == digests[1]
    found = attachments.attached(shelf.place, shelf.digest, IN_TOTO)
    assert sorted(each.parts[0].content for each in found) == [b'{"a note": true}', b"{}"]


def test_nothing_is_attached_to_an_image_that_is_not_there(shelf: Shelf) -> None:
    with pytest.raises(InvalidArchive, match="to attach anything to"):
        attachments.attach(shelf.place, f"sha256:{'0' * 64}", NOTE)
    assert attachments.attached(shelf.place, f"sha256:{'0' * 64}", IN_TOTO) == ()


def test_a_document_with_other_content_is_never_returned(registry: Registry) -> None:
    """G8: it is read by its digest."""
    registry.referrers = True
    store = RegistryStore(Keychain({"HOME": "/nonexistent"}), environ={})
    with closing(store):
        name = Reference.parse(f"{registry.host}/acme/attached:1")
        place, digest = store.place(name), put_image(store, name, "x")
        attachments.attach(place, digest, NOTE)
        registry.blobs["acme/attached", sha256(b'{"a note": true}')] = b'{"a note": nope}'

        with pytest.raises(blobs.NotWhatItSays):
            attachments.attached(place, digest, IN_TOTO)


@pytest.fixture
def pair(tmp_path: Path) -> keys.PrivateKey:
    keys.make_pair(tmp_path / "a.key", tmp_path / "a.pub", password="")
    return keys.read_private(tmp_path / "a.key", password="")


def test_a_signed_image_is_trusted_by_its_key_alone(
    shelf: Shelf, pair: keys.PrivateKey, tmp_path: Path
) -> None:
    """S-49: and signed once, however often that is asked for; a second key adds to it."""
    keys.make_pair(tmp_path / "b.key", tmp_path / "b.pub", password="")
    stranger = keys.read_private(tmp_path / "b.key", password="")
    with pytest.raises(NotTrusted, match="it has no signature"):
        signatures.check(shelf.store, shelf.name, shelf.digest, pair.public)

    assert signatures.sign(shelf.store, shelf.name, shelf.digest, pair) is True
    assert signatures.sign(shelf.store, shelf.name, shelf.digest, pair) is False

    signatures.check(shelf.store, shelf.name, shelf.digest, pair.public)
    with pytest.raises(NotTrusted, match="none of its 1 signatures is by this key"):
        signatures.check(shelf.store, shelf.name, shelf.digest, stranger.public)
    assert signatures.sign(shelf.store, shelf.name, shelf.digest, stranger) is True
    for key in (pair, stranger):
        signatures.check(shelf.store, shelf.name, shelf.digest, key.public)


def test_the_signature_of_one_image_is_worth_nothing_for_another(shelf: Shelf, pair: keys.PrivateKey) -> None:
    """S-49: moved there by whoever may write to the registry."""
    signatures.sign(shelf.store, shelf.name, shelf.digest, pair)
    other = put_image(shelf.store, Reference.parse(f"{shelf.name.full_repository}:2"), "other")
    (signed,) = attachments.read(shelf.place, f"{shelf.digest.replace(':', '-')}.sig")

    attachments.attach(shelf.place, other, signed, tag=f"{other.replace(':', '-')}.sig")

    with pytest.raises(NotTrusted):
        signatures.check(shelf.store, shelf.name, other, pair.public)


def test_a_signature_is_one_that_openssl_and_cosign_take(
    shelf: Shelf, pair: keys.PrivateKey, tmp_path: Path
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here")
    signatures.sign(shelf.store, shelf.name, shelf.digest, pair)
    (signed,) = attachments.read(shelf.place, f"{shelf.digest.replace(':', '-')}.sig")
    (part,) = signed.parts
    (tmp_path / "payload").write_bytes(part.content)
    (tmp_path / "signature").write_bytes(base64.b64decode(part.annotations[signatures.SIGNATURE]))

    words = ["dgst", "-sha256", "-verify", "a.pub", "-signature", "signature", "payload"]
    checked = subprocess.run([openssl, *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stdout) == (0, "Verified OK\n")
    payload = json.loads(part.content)
    assert payload["critical"]["image"] == {"docker-manifest-digest": shelf.digest}
    assert payload["critical"]["identity"] == {"docker-reference": shelf.name.full_repository}
    assert payload["critical"]["type"] == "cosign container image signature"
