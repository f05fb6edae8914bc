"""A certificate authority for tests, made with the standard library alone: one RSA key, self-signed certificates.

The arithmetic is textbook RSA (PKCS #1 v1.5, RFC 8017) over fixed primes: worth nothing outside tests.
"""

from __future__ import annotations

import hashlib

_P = 2**607 - 1
_Q = 2**1279 - 1
_N, _E = _P * _Q, 65537
_D = pow(_E, -1, (_P - 1) * (_Q - 1))
_SHA256_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def certificate(name: str) -> bytes:
    """A self-signed CA certificate (DER), the same at every call with the same name."""
    who = _seq(_tag(0x31, _seq(_tag(0x06, b"\x55\x04\x03"), _tag(0x0C, name.encode()))))
    key = _seq(_RSA, _tag(0x03, b"\0" + _seq(_integer(_N), _integer(_E))))
    is_authority = _seq(
        _tag(0x06, b"\x55\x1d\x13"), _tag(0x01, b"\xff"), _tag(0x04, _seq(_tag(0x01, b"\xff")))
    )
    validity = _seq(_tag(0x17, b"200101000000Z"), _tag(0x17, b"491231235959Z"))
    serial = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    version = _tag(0xA0, _integer(2))
    to_sign = _seq(
        version, _integer(serial), _SHA256_RSA, who, validity, who, key, _tag(0xA3, _seq(is_authority))
    )
    return _seq(to_sign, _SHA256_RSA, _tag(0x03, b"\0" + _sign(to_sign)))


def _sign(data: bytes) -> bytes:
    size = (_N.bit_length() + 7) // 8
    info = _SHA256_INFO + hashlib.sha256(data).digest()
    padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
    return pow(int.from_bytes(padded, "big"), _D, _N).to_bytes(size, "big")


def _tag(number: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([number, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([number, 0x80 | len(length)]) + length + content


def _seq(*items: bytes) -> bytes:
    return _tag(0x30, b"".join(items))


def _integer(number: int) -> bytes:
    return _tag(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))
