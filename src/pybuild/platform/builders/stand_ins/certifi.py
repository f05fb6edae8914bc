"""The CA certificates of this image, as for every other program in it.

The package would unpack its own into a temporary file that root makes and the build user cannot remove.
"""

import os

_PLACES = (
    os.environ.get("SSL_CERT_FILE", ""),
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def where() -> str:
    """The file with all of them; "" if there is none."""
    return next((place for place in _PLACES if place and os.path.isfile(place)), "")  # noqa: PTH113 - a dear import


def contents() -> str:
    """What is in it."""
    with open(where(), encoding="ascii") as file:
        return file.read()
