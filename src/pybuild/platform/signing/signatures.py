"""Signatures of images in registries, where and as cosign has them: made with a key, and checked, by digest.

Specification: cosign, SIGNATURE_SPEC.md: a manifest named `sha256-….sig`, one layer for each signature. It is also a
referrer of the image. Reliability: S-49.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from pybuild.errors import InvalidFile, NotTrusted
from pybuild.oci import model
from pybuild.oci.digest import sha256
from pybuild.oci.statement import SIMPLE_SIGNING, signed_digest, simple_signing
from pybuild.stores import attachments
from pybuild.stores.attachments import Attachment, Part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pybuild.oci.reference import Reference
    from pybuild.platform.signing.keys import PrivateKey, PublicKey
    from pybuild.stores.registry import RegistryStore

SIGNATURE = "dev.cosignproject.cosign/signature"
ARTIFACT = "application/vnd.dev.cosign.artifact.sig.v1+json"
_MAX_SIGNATURES = 100


def sign(store: RegistryStore, name: Reference, digest: str, key: PrivateKey) -> bool:
    """Sign the manifest `digest` of the repository of `name`. False when this key's signature was there already."""
    place = store.place(name)
    known = [part for found in attachments.read(place, _tag(digest)) for part in found.parts]
    if any(_holds(part, digest, key.public) for part in known):
        return False
    payload = simple_signing(name.full_repository, digest)
    signature = base64.b64encode(key.sign(payload)).decode()
    parts = [*known, Part(media_type=SIMPLE_SIGNING, content=payload, annotations={SIGNATURE: signature})]
    signed = Attachment(
        artifact_type=ARTIFACT, parts=parts, config_type=model.OCI_CONFIG, config=_config(parts)
    )
    attachments.attach(place, digest, signed, tag=_tag(digest))
    return True


def check(store: RegistryStore, name: Reference, digest: str, key: PublicKey) -> None:
    """Raise `NotTrusted` unless the manifest `digest` of that repository has a signature that `key` holds for."""
    found = [part for each in attachments.read(store.place(name), _tag(digest)) for part in each.parts]
    if any(_holds(part, digest, key) for part in found[:_MAX_SIGNATURES]):
        return
    said = f"none of its {len(found)} signatures is by this key" if found else "it has no signature"
    raise NotTrusted(
        f"{name.familiar_repository}@{digest} is not trusted: {said}",
        hint="ask its owner for a signature, or for the key; pybuild signature check tells more",
    )


def _holds(part: Part, digest: str, key: PublicKey) -> bool:
    """Whether this is a signature of that very manifest. The payload names it, so none can be moved to another image."""
    try:
        signature = base64.b64decode(part.annotations.get(SIGNATURE, ""), validate=True)
        named = signed_digest(part.content)
    except (ValueError, InvalidFile):
        return False
    return part.media_type == SIMPLE_SIGNING and named == digest and key.holds(signature, part.content)


def _tag(digest: str) -> str:
    return f"{digest.replace(':', '-')}.sig"


def _config(parts: Iterable[Part]) -> bytes:
    """A configuration like an image's, which is what older tools want to see there."""
    diff_ids = [sha256(part.content) for part in parts]
    value = {
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    return json.dumps(value, separators=(",", ":")).encode()
