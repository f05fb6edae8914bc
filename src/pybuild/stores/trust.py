"""Which certificates a registry is known by: the user's, those that Docker has for it, the system's; and our own for it.

Layout: Docker's `certs.d/HOST[:PORT]/` with `ca.crt`, and `client.cert` and `client.key` beside it.
"""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.errors import RegistryError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

_SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
_DOCKER = "/etc/docker/certs.d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """`authorities`: the file with the CAs to trust; True: those of the package certifi. `ours`: certificate and key to show.

    `checked` False: whoever answers is believed.
    """

    authorities: str | bool = True
    ours: tuple[str, str] | None = None
    checked: bool = True

    def context(self) -> ssl.SSLContext:
        """TLS with this trust. Raises `ssl.SSLError` or `OSError` for a file that holds no such thing, `RegistryError` where there is none."""
        import ssl

        from urllib3.util.ssl_ import create_urllib3_context

        context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if self.checked else ssl.CERT_NONE)
        if self.checked:
            context.load_verify_locations(self._file())
        if self.ours is not None:
            context.load_cert_chain(*self.ours)
        return context

    def _file(self) -> str:
        if isinstance(self.authorities, str):
            return self.authorities
        import certifi

        found = certifi.where()
        if not _is_file(found):
            raise RegistryError(
                "there are no CA certificates here to know registries by",
                hint="install the package ca-certificates, or name a file with SSL_CERT_FILE",
            )
        return found


def trust_for(host: str, environ: Mapping[str, str]) -> Trust:
    """How to know `host` (`name[:port]`)."""
    ours = None
    for folder in _folders(host, environ):
        shown = (folder / "client.cert", folder / "client.key")
        if ours is None and all(map(_is_file, shown)):
            ours = (str(shown[0]), str(shown[1]))
        # Docker takes every .crt there; more than one is rare.
        for path in (folder / "ca.crt", *sorted(folder.glob("*.crt"))):
            if _is_file(path):
                return Trust(authorities=str(path), ours=ours)
    named = (environ.get("REQUESTS_CA_BUNDLE"), environ.get("SSL_CERT_FILE"))
    found = next((path for path in (*named, *_SYSTEM) if path and _is_file(path)), True)
    return Trust(authorities=found, ours=ours)


def _folders(host: str, environ: Mapping[str, str]) -> Iterator[Path]:
    if "/" in host or host in ("", ".", ".."):
        return
    home = environ.get("HOME", "")
    config = environ.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    # A rootless engine keeps them at home.
    for folder in (f"{config}/docker/certs.d" if config else "", _DOCKER):
        if folder and os.path.isdir(found := os.path.join(folder, host)):  # noqa: PTH112, PTH118
            yield Path(found)


def _is_file(path: Path | str) -> bool:
    # Path.is_file raises for a folder that we may not look into: a phase that was root has root's HOME still.
    return os.path.isfile(path)  # noqa: PTH113
