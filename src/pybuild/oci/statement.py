"""Statements about an image, as texts that others can check: in-toto statements, and the envelopes they are signed in.

Pure: equal inputs give equal bytes. Specification: in-toto attestation framework, "Statement v1"; DSSE, "Protocol" and
"Envelope"; cosign, "Simple Signing" (SIGNATURE_SPEC.md).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pybuild import gojson
from pybuild.errors import InvalidFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STATEMENT = "https://in-toto.io/Statement/v1"
IN_TOTO = "application/vnd.in-toto+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
_SIGNED_TYPE = "cosign container image signature"


def statement(names: Sequence[str], digest: str, predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """An in-toto statement about the image `digest` ("sha256:…"), which is called `names`."""
    algorithm, _, value = digest.partition(":")
    return _text(
        {
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": {algorithm: value}} for name in names],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def simple_signing(repository: str, digest: str) -> bytes:
    """What cosign signs: that the manifest `digest` is an image of `repository`."""
    return _text(
        {
            "critical": {
                "identity": {"docker-reference": repository},
                "image": {"docker-manifest-digest": digest},
                "type": _SIGNED_TYPE,
            },
            "optional": None,
        }
    )


def signed_digest(payload: bytes) -> str:
    """The manifest's digest in what cosign signed; "" if it is something else. Raises `InvalidFile` for no JSON."""
    critical = _object(gojson.loads(payload, where="a signature's payload")).get("critical")
    found = _object(critical)
    digest = _object(found.get("image")).get("docker-manifest-digest")
    return str(digest) if found.get("type") == _SIGNED_TYPE else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A DSSE envelope with one signature. `signed`: the bytes that the signature is of."""

    payload_type: str
    payload: bytes
    signature: bytes

    @property
    def signed(self) -> bytes:
        """DSSE's pre-authentication encoding."""
        return pre_authentication(self.payload_type, self.payload)

    def write(self) -> bytes:
        """Its JSON."""
        return _text(
            {
                "payloadType": self.payload_type,
                "payload": base64.b64encode(self.payload).decode(),
                "signatures": [{"sig": base64.b64encode(self.signature).decode()}],
            }
        )

    @classmethod
    def read(cls, text: bytes, *, where: str) -> Self:
        """From its JSON; `InvalidFile` for something else."""
        value = _object(gojson.loads(text, where=where))
        signatures = value.get("signatures")
        first = _object(signatures[0]) if isinstance(signatures, list) and signatures else {}
        try:
            return cls(
                payload_type=str(value["payloadType"]),
                payload=base64.b64decode(str(value["payload"]), validate=True),
                signature=base64.b64decode(str(first["sig"]), validate=True),
            )
        except (KeyError, ValueError) as exc:
            raise InvalidFile(f"{where} is no DSSE envelope with a signature") from exc


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """What is signed of an envelope: both parts with their lengths, so that neither can pass for the other."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
