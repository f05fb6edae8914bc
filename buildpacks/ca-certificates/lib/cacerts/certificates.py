"""The certificates in service bindings, and the settings about them."""

from __future__ import annotations

import base64
import re
import ssl
from typing import TYPE_CHECKING

from cacerts import errors
from pybuild.libcnb.bindings import of_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pybuild.libcnb.bindings import Binding

TYPE = "ca-certificates"
RUNTIME = "BP_RUNTIME_CERT_BINDING"
EMBED = "BP_EMBED_CERTS"

# What pybuild binds by itself, so that builds trust what this machine trusts: no other machine should, so it stays out.
OF_THE_PLATFORM = "pybuild-ca-certificates"

VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
    "COMPOSER_CAFILE",
    "AWS_CA_BUNDLE",
)
"""Where tools look; each knows one or two of these."""

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END CERTIFICATE-----")


def bound(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    """The user's bindings of certificates."""
    return tuple(each for each in of_type(bindings, TYPE) if each.name != OF_THE_PLATFORM)


def certificates(bindings: Iterable[Binding]) -> tuple[str, ...]:
    """All certificates in them as PEM text, each once, in order. Raises a `Problem` for a file that has none."""
    found: list[bytes] = []
    for binding in bindings:
        for name, text in binding.values.items():
            if name in ("type", "provider"):
                continue
            inside = [base64.b64decode(match[1]) for match in _PEM.finditer(text)]
            if not inside:
                raise errors.no_certificate(binding.name, name)
            _check(inside, binding.name, name)
            found += inside
    return tuple(ssl.DER_cert_to_PEM_cert(each) for each in dict.fromkeys(found))


def _check(certificates: list[bytes], binding: str, name: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=b"".join(certificates))
    except (ssl.SSLError, ValueError) as exc:
        raise errors.no_certificate(binding, name) from exc
