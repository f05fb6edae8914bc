"""Key pairs for signing images: made, read, and used. PEM files that openssl reads; the public one is what cosign takes.

`cryptography` is imported in functions: only those who sign or check need it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild.errors import InvalidInput
from pybuild.platform.typed_path import typed_path
from pybuild.stores.state import read_state

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "PYBUILD_KEY_PASSWORD"
_MAX_KEY = 64 << 10
_MISSING = "pip install 'pybuild-cnb[sign]'"


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Signs with ECDSA (SHA-256) or Ed25519."""

    _key: Any

    def sign(self, message: bytes) -> bytes:
        """The signature of `message`."""
        ec = _cryptography().ec
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return bytes(self._key.sign(message, ec.ECDSA(_cryptography().hashes.SHA256())))
        return bytes(self._key.sign(message))

    @property
    def public(self) -> PublicKey:
        """What checks its signatures."""
        return PublicKey(self._key.public_key())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Checks signatures of ECDSA (SHA-256) or Ed25519."""

    _key: Any

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is of `message`, by the private key that belongs to this one."""
        tools = _cryptography()
        try:
            if isinstance(self._key, tools.ec.EllipticCurvePublicKey):
                self._key.verify(signature, message, tools.ec.ECDSA(tools.hashes.SHA256()))
            else:
                self._key.verify(signature, message)
        except tools.InvalidSignature:
            return False
        return True

    def write(self) -> bytes:
        """Its PEM text."""
        forms = _cryptography().serialization
        return bytes(self._key.public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tools:
    ec: Any
    ed25519: Any
    hashes: Any
    serialization: Any
    InvalidSignature: Any
    unsupported: Any


def make_pair(private: Path, public: Path, *, password: str) -> None:
    """Make two new files: a key that signs, for its owner alone, and the one that checks. `password` "": not encrypted.

    Raises `InvalidInput` where one of them is there already.
    """
    tools = _cryptography()
    forms = tools.serialization
    key = tools.ec.generate_private_key(tools.ec.SECP256R1())
    hidden = forms.BestAvailableEncryption(password.encode()) if password else forms.NoEncryption()
    text = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, hidden)
    for path, content, mode in ((private, text, 0o600), (public, PublicKey(key.public_key()).write(), 0o644)):
        try:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as exc:
            raise InvalidInput(
                f"the key {path} cannot be written: {exc.strerror}", hint="choose another name for the pair"
            ) from exc
        with os.fdopen(opened, "wb") as file:
            file.write(content)


def read_private(path: Path, *, password: str) -> PrivateKey:
    """The key in a PEM file. Raises `InvalidInput` for one that is none, or that wants another password."""
    tools = _cryptography()
    try:
        key = tools.serialization.load_pem_private_key(_content(path), password.encode() or None)
    except TypeError as exc:
        wanted = "no password, and one was given" if password else "a password"
        raise InvalidInput(f"the key {path} needs {wanted}", hint=f"set {PASSWORD}, or unset it") from exc
    except (ValueError, tools.unsupported) as exc:
        raise InvalidInput(
            f"the key {path} cannot be read: it is no private key in PEM, or the password is wrong",
            hint="make one: pybuild signature make-key NAME",
        ) from exc
    if not isinstance(key, (tools.ec.EllipticCurvePrivateKey, tools.ed25519.Ed25519PrivateKey)):
        raise InvalidInput(f"the key {path} is of no kind that signs images: expected ECDSA or Ed25519")
    return PrivateKey(key)


def read_public(path: Path) -> PublicKey:
    """The key in a PEM file. Raises `InvalidInput` for one that is none."""
    tools = _cryptography()
    try:
        key = tools.serialization.load_pem_public_key(_content(path))
    except (ValueError, tools.unsupported) as exc:
        raise InvalidInput(
            f"the key {path} is no public key in PEM", hint="name the .pub file of the pair"
        ) from exc
    if not isinstance(key, (tools.ec.EllipticCurvePublicKey, tools.ed25519.Ed25519PublicKey)):
        raise InvalidInput(f"the key {path} is of no kind that signs images: expected ECDSA or Ed25519")
    return PublicKey(key)


def _content(path: Path) -> bytes:
    content = read_state(typed_path(str(path), "the key").resolve(), limit=_MAX_KEY)
    if content is None:
        raise InvalidInput(
            f"the key {path} is no readable regular file below {_MAX_KEY >> 10} KiB", hint=f"ls -l {path}"
        )
    return content


def _cryptography() -> _Tools:
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    except ImportError as exc:
        raise InvalidInput(
            "signatures need the package cryptography, which is not here", hint=_MISSING
        ) from exc
    return _Tools(
        ec=ec,
        ed25519=ed25519,
        hashes=hashes,
        serialization=serialization,
        InvalidSignature=InvalidSignature,
        unsupported=UnsupportedAlgorithm,
    )
