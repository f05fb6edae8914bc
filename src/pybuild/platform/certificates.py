"""Extra CA certificates of this machine (a company's, mostly), trusted inside builds and nowhere in the image.

Tools disagree about where they look: the system's bundle, a variable, a `ca-certificates` service binding. All of
them get the same answer, in files and variables that exist in the build container alone.
"""

from __future__ import annotations

import base64
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.errors import InvalidFile
from pybuild.events import warn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LOCAL_FOLDERS = (
    Path("/usr/local/share/ca-certificates"),  # Debian, Ubuntu, Alpine
    Path("/etc/pki/ca-trust/source/anchors"),  # Fedora, RHEL
    Path("/etc/pki/trust/anchors"),  # SUSE
)
"""Where an administrator puts certificates of his own."""

HOST_BUNDLES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
)
"""Where distributions keep the bundle that their tools read; to be asked for in a build container."""

VARIABLES = (
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
)
BUNDLE = "/platform/ca-certificates.crt"
BINDING_DIR = "/platform/bindings/pybuild-ca-certificates"
"""Where a build finds the certificates: all of them as one file, and those of this machine as a service binding."""
MAX_BUNDLE = 8 << 20
_HINT = "PYBUILD_CA_CERTS names files of PEM certificates, separated by :"

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What makes a build trust the certificates: `files` by absolute path (root's, mode 0644), and `environ`.

    The variables belong into the environment that bin/detect and bin/build start from, not into
    `<platform>/env`, so that buildpacks with `clear-env` have them as well.
    """

    files: Mapping[str, bytes]
    environ: Mapping[str, str]


def host_certificates(
    environ: Mapping[str, str], *, files: Sequence[Path] = (), folders: Sequence[Path] = LOCAL_FOLDERS
) -> tuple[bytes, ...]:
    """Certificates (DER) that this machine trusts beside the usual ones, each once.

    From `files` and the files of PYBUILD_CA_CERTS (separated by `:`), which must hold some (`InvalidFile`); from
    SSL_CERT_FILE and the `folders`, where what cannot be read is only warned of.
    """
    named = [*files, *_named(environ)]
    found = [certificate for file in named for certificate in _read(file)]
    for file in _lenient(environ, folders):
        try:
            found += _read(file)
        except InvalidFile as exc:
            warn(f"builds do not get the CA certificates of {exc}")
    return tuple(dict.fromkeys(found))


def host_files(environ: Mapping[str, str], *, folders: Sequence[Path] = LOCAL_FOLDERS) -> list[Path]:
    """All files that `host_certificates` looks into, and the bundle of this machine that may serve for the builder's."""
    return [*_named(environ), *_lenient(environ, folders), *HOST_BUNDLES]


def _named(environ: Mapping[str, str]) -> list[Path]:
    return [Path(name) for name in environ.get("PYBUILD_CA_CERTS", "").split(":") if name]


def _lenient(environ: Mapping[str, str], folders: Sequence[Path]) -> list[Path]:
    first = [Path(environ["SSL_CERT_FILE"])] if environ.get("SSL_CERT_FILE") else []
    return first + [path for folder in folders for path in _certificates_in(folder)]


def deliver(
    certificates: Sequence[bytes],
    bundles: Mapping[str, bytes],
    *,
    fallback: bytes = b"",
) -> Delivery:
    """How a build container comes to trust `certificates` (DER) beside those of its own bundles.

    `bundles`: those of `SYSTEM_BUNDLES` that the container has, with content. `fallback`: this machine's own
    bundle, for containers that have none. Nothing to do, and so an empty delivery, if they are trusted already.
    """
    base = next((content for content in bundles.values() if content.strip()), fallback)
    known = set(parse(base))
    extra = [certificate for certificate in certificates if certificate not in known]
    if not extra:
        return Delivery(files={}, environ={})
    merged = base.rstrip() + b"\n" + b"".join(map(pem, extra))
    files = dict.fromkeys([*bundles, BUNDLE], merged.lstrip())
    files[f"{BINDING_DIR}/type"] = b"ca-certificates"
    files |= {
        f"{BINDING_DIR}/pybuild-{number:03d}.crt": pem(each) for number, each in enumerate(extra, start=1)
    }
    return Delivery(files=files, environ=delivered_environ())


def delivered_environ() -> dict[str, str]:
    """The variables by which tools find what is delivered."""
    return dict.fromkeys(VARIABLES, BUNDLE)


def host_bundle(paths: Iterable[Path] = HOST_BUNDLES) -> bytes:
    """This machine's own bundle; empty where it has none."""
    for path in paths:
        try:
            if path.stat().st_size <= MAX_BUNDLE:
                return path.read_bytes()
        except OSError:
            continue
    return b""


def parse(bundle: bytes) -> tuple[bytes, ...]:
    """The certificates (DER) in PEM text; blocks that are no base64 are left out."""
    found = []
    for match in _PEM.finditer(bundle):
        try:
            found.append(base64.b64decode(b"".join(match[1].split()), validate=True))
        except ValueError:
            continue
    return tuple(found)


def pem(certificate: bytes) -> bytes:
    """One certificate (DER) as PEM text."""
    return ssl.DER_cert_to_PEM_cert(certificate).encode()


def _read(file: Path) -> tuple[bytes, ...]:
    try:
        with file.open("rb") as opened:
            # A device has no size, and perhaps no end.
            data = opened.read(MAX_BUNDLE + 1)
    except OSError as exc:
        raise InvalidFile(f"{file}: cannot be read: {exc.strerror}", hint=_HINT) from exc
    certificates = parse(data) if len(data) <= MAX_BUNDLE else ()
    if not certificates:
        raise InvalidFile(f"{file}: expected CA certificates in PEM text, found none", hint=_HINT)
    _check(certificates, file)
    return certificates


def _check(certificates: Sequence[bytes], file: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # All at once: a context for each would take 0.1 s for a system's bundle.
        context.load_verify_locations(cadata=b"".join(certificates))
    except (ssl.SSLError, ValueError) as exc:
        raise InvalidFile(f"{file}: holds something that is no X.509 certificate", hint=_HINT) from exc


def _certificates_in(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.rglob("*") if path.suffix in (".crt", ".pem") and path.is_file()
        )
    except OSError:
        return []
