"""All that this buildpack tells a user whose certificates it cannot read."""

from __future__ import annotations

from pybuild.libcnb.problem import Problem


def no_certificate(binding: str, name: str) -> Problem:
    """A file of a binding that is no certificate."""
    return Problem(
        "A bound file is no CA certificate",
        f"The file {name} of the binding {binding} (type ca-certificates) has no certificate in PEM text, or a damaged one.",
        steps=(
            "A certificate begins with the line -----BEGIN CERTIFICATE-----.",
            "Turn one in DER into PEM: openssl x509 -inform der -in ca.der -out ca.pem",
        ),
    )
