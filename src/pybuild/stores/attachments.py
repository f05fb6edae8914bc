"""What is attached to an image in its registry: signatures, provenance, bills of materials, each a small artifact of its own.

A registry that knows no referrers gets the index that stands in for them, under a tag made of the digest.
Specification: OCI distribution-spec 1.1, "Listing Referrers", "Referrers Tag Schema"; image-spec, "Artifacts".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import InvalidArchive
from pybuild.gojson import Struct
from pybuild.oci import model
from pybuild.oci.digest import is_digest, sha256
from pybuild.stores import blobs, manifests
from pybuild.stores.blobs import Blob, Bytes
from pybuild.stores.image_manifest import MAX_MANIFEST, OCI_INDEX, read_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.stores.blobs import Place

EMPTY = "application/vnd.oci.empty.v1+json"
_MOST = 100
"""Most attachments of one image that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One document of an artifact."""

    media_type: str
    content: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An artifact about an image. `config_type` other than `EMPTY`: for readers that want a configuration there."""

    artifact_type: str
    parts: Sequence[Part]
    annotations: Mapping[str, str] = field(default_factory=dict)
    config_type: str = EMPTY
    config: bytes = b"{}"


def attach(place: Place, subject: str, attachment: Attachment, *, tag: str = "") -> str:
    """Attach it to the manifest with the digest `subject`; returns the artifact's own digest.

    `tag`: a name that it gets as well. The same attachment twice is there once. Raises `InvalidArchive` when
    there is no such manifest.
    """
    described = _described(place, subject)
    documents = [attachment.config, *(part.content for part in attachment.parts)]
    for content in documents:
        blobs.ensure(place, Blob(digest=sha256(content), size=len(content), source=Bytes(content)))
    text = gojson.dumps(_manifest(attachment, described)).encode()
    digest = sha256(text)
    answer = _put(place, tag or digest, model.OCI_MANIFEST, text)
    if "oci-subject" not in answer:
        _list_in_tag(place, subject, attachment, digest, len(text))
    return digest


def attached(place: Place, subject: str, artifact_type: str) -> tuple[Attachment, ...]:
    """All attachments of that type, at most 100, each read and verified. None where there is no such image."""
    found: list[Attachment] = []
    for entry in _referrers(place, subject)[:_MOST]:
        if entry.get("artifactType") == artifact_type and is_digest(str(entry.get("digest"))):
            found += read(place, str(entry["digest"]))
    return tuple(found)


def read(place: Place, reference: str) -> tuple[Attachment, ...]:
    """The artifact with that tag or digest, nothing when there is none."""
    answer = manifests.read(place, reference)
    if answer is None or answer[0] != model.OCI_MANIFEST:
        return ()
    value = answer[2]
    where = f"{place.registry}/{place.repository}@{answer[1]}"
    listed = value.get("layers")
    parts = [_part(place, layer, where) for layer in listed] if isinstance(listed, list) else []
    return (
        Attachment(
            artifact_type=str(value.get("artifactType") or ""),
            parts=tuple(parts),
            annotations=_texts(value.get("annotations")),
        ),
    )


def _part(place: Place, layer: Any, where: str) -> Part:
    entry = layer if isinstance(layer, dict) else {}
    digest, size = str(entry.get("digest")), entry.get("size")
    if not is_digest(digest) or not isinstance(size, int) or not 0 <= size <= MAX_MANIFEST:
        raise InvalidArchive(
            f"{where}: a document of it has no digest, or no size up to {MAX_MANIFEST >> 20} MiB"
        )
    return Part(
        media_type=str(entry.get("mediaType") or ""),
        content=b"".join(blobs.read(place, digest, size)),
        annotations=_texts(entry.get("annotations")),
    )


def _texts(value: object) -> dict[str, str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(key): text for key, text in pairs if isinstance(text, str)}


def _manifest(attachment: Attachment, subject: Struct) -> Struct:
    return Struct(
        schemaVersion=2,
        mediaType=model.OCI_MANIFEST,
        artifactType=attachment.artifact_type,
        config=_descriptor(attachment.config_type, attachment.config),
        layers=[
            _descriptor(part.media_type, part.content)
            | ({"annotations": dict(part.annotations)} if part.annotations else {})
            for part in attachment.parts
        ],
        subject=subject,
        **({"annotations": dict(attachment.annotations)} if attachment.annotations else {}),
    )


def _descriptor(media_type: str, content: bytes) -> Struct:
    return Struct(mediaType=media_type, digest=sha256(content), size=len(content))


def _described(place: Place, digest: str) -> Struct:
    found = manifests.get(place, digest)
    if found is None:
        raise InvalidArchive(
            f"{place.registry}/{place.repository} has no image {digest} to attach anything to"
        )
    media_type, _, text = found
    return Struct(mediaType=media_type, digest=digest, size=len(text))


def _put(place: Place, reference: str, media_type: str, text: bytes) -> Mapping[str, str]:
    return place.transport.ask(
        "PUT",
        f"{place.path}/manifests/{reference}",
        scopes=place.push,
        headers={"Content-Type": media_type},
        body=text,
        expect=(200, 201),
    ).headers


def _list_in_tag(place: Place, subject: str, attachment: Attachment, digest: str, size: int) -> None:
    """Add the artifact to the index that stands in for referrers."""
    entries = [entry for entry in _tagged(place, subject) if entry.get("digest") != digest]
    entries.append(
        Struct(
            mediaType=model.OCI_MANIFEST,
            digest=digest,
            size=size,
            artifactType=attachment.artifact_type,
            **({"annotations": dict(attachment.annotations)} if attachment.annotations else {}),
        )
    )
    index = Struct(schemaVersion=2, mediaType=OCI_INDEX, manifests=entries)
    _put(place, _tag(subject), OCI_INDEX, gojson.dumps(index).encode())


def _referrers(place: Place, subject: str) -> list[Mapping[str, Any]]:
    answer = place.transport.ask(
        "GET",
        f"{place.path}/referrers/{subject}",
        scopes=place.pull,
        headers={"Accept": OCI_INDEX},
        # Registries without this part of the API answer in all these ways.
        expect=(200, 400, 404, 405, 501),
        limit=MAX_MANIFEST,
    )
    if answer.status != 200:
        return _tagged(place, subject)
    return _entries(read_object(answer.body, f"the referrers of {subject}"))


def _tagged(place: Place, subject: str) -> list[Mapping[str, Any]]:
    found = manifests.read(place, _tag(subject))
    return _entries(found[2]) if found and found[0] == OCI_INDEX else []


def _entries(index: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = index.get("manifests")
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def _tag(digest: str) -> str:
    return digest.replace(":", "-")
