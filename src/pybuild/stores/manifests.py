"""Manifests as a registry gives them: found by name, believed only after every check.

Specification: OCI image-spec, "Image Manifest", "Image Index"; distribution-spec, "Pulling manifests".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pybuild.errors import InvalidArchive
from pybuild.oci.digest import is_digest, sha256
from pybuild.stores import blobs, image_manifest
from pybuild.stores.exchange import Refused
from pybuild.stores.image_manifest import IMAGES, INDEXES, MAX_MANIFEST, Manifest, Platform

if TYPE_CHECKING:
    from pybuild.stores.blobs import Place

_ACCEPT = ", ".join((*IMAGES, *INDEXES))
_READS = 2  # a body that was cut on the way is read once more


def digest_of(place: Place, reference: str) -> str:
    """The digest of the manifest with that tag; "" when there is none, or none is told."""
    answer = place.transport.ask(
        "HEAD",
        f"{place.path}/manifests/{reference}",
        scopes=place.push,
        headers={"Accept": _ACCEPT},
        expect=(200, 404),
    )
    return answer.headers.get("docker-content-digest", "") if answer.status == 200 else ""


def find(place: Place, reference: str, platform: Platform) -> Manifest | None:
    """The image with that tag or digest; None when there is none. `InvalidArchive` for one that is broken."""
    found = read(place, reference)
    if found is None:
        return None
    media_type, digest, value, _ = found
    if media_type in INDEXES:
        chosen = image_manifest.choose(value, platform, f"{place.registry}/{place.repository}")
        found = read(place, chosen)
        if found is None or found[0] not in IMAGES:
            raise InvalidArchive(
                f"{place.registry}/{place.repository}: the index names {chosen}, which is no image there"
            )
        media_type, digest, value, _ = found
    where = f"{place.registry}/{place.repository}@{digest}"
    return image_manifest.checked(media_type, digest, value, partial(_config, place), where=where)


def get(place: Place, reference: str) -> tuple[str, str, bytes] | None:
    """Media type, digest and text of the manifest or index with that tag or digest; None when there is none."""
    found = read(place, reference)
    return None if found is None else (found[0], found[1], found[3])


def read(place: Place, reference: str) -> tuple[str, str, Any, bytes] | None:
    """Media type, digest, value and text of the manifest or index with that tag or digest; None when there is none."""
    found = _text(place, reference)
    if found is None:
        return None
    where = f"the manifest {reference} of {place.registry}/{place.repository}"
    told, body = found
    value = image_manifest.read_object(body, where)
    inner = value.get("mediaType", told)
    media_type = told if told in (*IMAGES, *INDEXES) else inner
    if media_type not in (*IMAGES, *INDEXES) or inner != media_type:
        raise InvalidArchive(
            f"{where} has the media type {str(inner)[:80]!r} ({told[:80]!r}), which is no image's"
        )
    return media_type, sha256(body), value, body


def _text(place: Place, reference: str) -> tuple[str, bytes] | None:
    """Told media type and text of a manifest, whose digest is what was asked for or is stated."""
    where = f"the manifest {reference} of {place.registry}/{place.repository}"
    for reading in range(_READS):
        answer = place.transport.ask(
            "GET",
            f"{place.path}/manifests/{reference}",
            scopes=place.pull,
            headers={"Accept": _ACCEPT},
            expect=(200, 404),
            limit=MAX_MANIFEST,
        )
        if answer.status == 404:
            return None
        digest = sha256(answer.body)
        stated = reference if is_digest(reference) else answer.headers.get("docker-content-digest") or digest
        if stated == digest:
            return answer.headers.get("content-type", "").partition(";")[0].strip().lower(), answer.body
        if reading == _READS - 1:
            raise InvalidArchive(f"{where} is {digest}, but the registry says {stated[:80]!r}")
    raise AssertionError("the last reading breaks off or raises")


def _config(place: Place, digest: str, size: int, where: str) -> bytes:
    try:
        return b"".join(blobs.read(place, digest, size))
    except (blobs.NotWhatItSays, Refused) as exc:
        raise InvalidArchive(f"{where} has no usable configuration: {exc}") from exc
