"""A Java key store of certificate authorities, written without Java: the format JKS, version 2.

Format: sun.security.provider.JavaKeyStore. Java reads it whatever `keystore.type` says, and no password protects
what is public; `changeit`, which everybody has, seals it.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PASSWORD = "changeit"  # Java's own default: a seal rather than a secret
MAGIC, VERSION, TRUSTED = 0xFEEDFEED, 2, 2
PLACE = "lib/security/cacerts"
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
SYSTEM_FOLDER = Path("/usr/share/ca-certificates")

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def store(certificates: Iterable[bytes]) -> bytes:
    """The key store with these certificates (DER), each once, under the digest of each; the same bytes for the same set."""
    unique = {hashlib.sha256(certificate).hexdigest(): certificate for certificate in certificates}
    parts = [struct.pack(">III", MAGIC, VERSION, len(unique))]
    for alias, certificate in sorted(unique.items()):
        parts += [struct.pack(">I", TRUSTED), _text(alias), struct.pack(">Q", 0), _text("X.509")]
        parts += [struct.pack(">I", len(certificate)), certificate]
    data = b"".join(parts)
    seal = hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + data, usedforsecurity=False)
    return data + seal.digest()


def of_build(environ: Mapping[str, str]) -> bytes:
    """What this build trusts: the system's bundle, or the one that SSL_CERT_FILE names."""
    return store(_read(Path(environ.get("SSL_CERT_FILE") or SYSTEM_BUNDLE)))


def of_image(folder: Path = SYSTEM_FOLDER) -> bytes:
    """What an app trusts: the distribution's authorities alone, not those that a build is told of beside them."""
    files = sorted(folder.rglob("*.crt"))
    return store(found for file in (files or [SYSTEM_BUNDLE]) for found in _read(file))


def write(file: Path, data: bytes) -> None:
    """Write the store, unless the file is it already; a link to the system's, which is not there, is replaced."""
    if file.is_file() and not file.is_symlink() and file.read_bytes() == data:
        return
    if os.path.lexists(file):
        file.unlink()
    file.write_bytes(data)


def _read(file: Path) -> list[bytes]:
    if not file.is_file():
        return []
    return [ssl.PEM_cert_to_DER_cert(text) for text in _PEM.findall(file.read_text("latin-1"))]


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data
