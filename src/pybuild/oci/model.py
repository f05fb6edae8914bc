"""Image configurations and manifests as the Go libraries write them: their keys, their order, nothing else.

An image's id is the hash of exactly these bytes. Keys that Go's structures lack are dropped, empty values are
left out, times are re-written. Fields: OCI image-spec, "Image Configuration" and "Image Manifest".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from pybuild.oci.digest import is_digest

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

ZERO_TIME = "0001-01-01T00:00:00Z"
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)")

_Shape = Callable[[object, str], Any]
"""Turns a value read from JSON, and the key path it stood at, into the value to write."""


def config_file(value: object, *, where: str = "image configuration") -> Struct:
    """A configuration file in Go's form. Raises `InvalidFile`, naming the key, for a value of the wrong kind."""
    return _config_file(value, where)


def encode_config(value: object, *, where: str = "image configuration") -> bytes:
    """The bytes of a configuration file; their SHA-256 is the image's id."""
    return gojson.dumps(config_file(value, where=where)).encode()


def manifest(value: object, *, where: str = "image manifest") -> Struct:
    """An image manifest in Go's form. Raises `InvalidFile`, naming the key, for a value of the wrong kind."""
    return _manifest(value, where)


def encode_manifest(value: object, *, where: str = "image manifest") -> bytes:
    """The bytes of an image manifest; their SHA-256 is the image's digest in a registry."""
    return gojson.dumps(manifest(value, where=where)).encode()


def descriptor(value: object, *, where: str = "descriptor") -> Struct:
    """A descriptor in Go's form. Raises `InvalidFile`, naming the key, for a value of the wrong kind."""
    return _descriptor(value, where)


def _struct(**fields: tuple[_Shape, bool]) -> Callable[[object, str], Struct]:
    """An object with these keys in this order; True: written even if empty."""

    def read(value: object, where: str) -> Struct:
        given = _object(value, where)
        found = Struct()
        for name, (shape, always) in fields.items():
            key = _DOTTED.get(name, name)
            item = shape(given.get(key), f"{where}: {key}")
            if always or item:
                found[key] = item
        return found

    return read


_DOTTED = {"os_version": "os.version", "os_features": "os.features"}


def _object(value: object, where: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _expected("an object", value, where)
    return value


def _expected(what: str, value: object, where: str) -> InvalidFile:
    return InvalidFile(f"{where}: expected {what}, found {str(value)[:80]!r}")


def _text(value: object, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _expected("a string", value, where)
    return value


def _flag(value: object, where: str) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _expected("true or false", value, where)
    return value


def _number(value: object, where: str) -> int:
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not -(1 << 63) <= value < 1 << 63:
        raise _expected("a whole number of 64 bits", value, where)
    return value


def _list(of: _Shape) -> _Shape:
    def read(value: object, where: str) -> list[Any] | None:
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise _expected("an array", value, where)
        return [of(item, f"{where}[{number}]") for number, item in enumerate(value)]

    return read


def _texts_by_name(value: object, where: str) -> dict[str, str]:
    return {key: _text(item, f"{where}.{key}") for key, item in _object(value, where).items()}


def _names(value: object, where: str) -> dict[str, Struct]:
    """A set of names, written as an object of empty objects: ports and volumes."""
    return {key: Struct() for key in _object(value, where)}


def _digest(value: object, where: str) -> str:
    text = _text(value, where)
    if text and not is_digest(text):
        raise _expected("sha256: and 64 hexadecimal digits", value, where)
    return text


def _time(value: object, where: str) -> str:
    """RFC 3339 with the fraction's trailing zeros cut; year 1 for none."""
    text = _text(value, where)
    if not text:
        return ZERO_TIME
    match = _TIME.fullmatch(text)
    if match is None:
        raise _expected("a time like 2006-01-02T15:04:05Z", value, where)
    fraction = (match[2] or "").rstrip("0")
    zone = "Z" if match[3] in ("+00:00", "-00:00") else match[3]
    return match[1] + (f".{fraction}" if fraction else "") + zone


class _Present(Struct):
    """A structure behind a pointer: written even when it is empty, because it is there."""

    def __bool__(self) -> bool:
        return True


def _if_present(shape: _Shape) -> _Shape:
    def read(value: object, where: str) -> _Present | None:
        return None if value is None else _Present(shape(value, where))

    return read


_texts = _list(_text)

_health = _struct(
    Test=(_texts, False),
    Interval=(_number, False),
    Timeout=(_number, False),
    StartPeriod=(_number, False),
    Retries=(_number, False),
)

_history = _struct(
    author=(_text, False),
    created=(_time, True),
    created_by=(_text, False),
    comment=(_text, False),
    empty_layer=(_flag, False),
)

_runtime_config = _struct(
    AttachStderr=(_flag, False),
    AttachStdin=(_flag, False),
    AttachStdout=(_flag, False),
    Cmd=(_texts, False),
    Healthcheck=(_if_present(_health), False),
    Domainname=(_text, False),
    Entrypoint=(_texts, False),
    Env=(_texts, False),
    Hostname=(_text, False),
    Image=(_text, False),
    Labels=(_texts_by_name, False),
    OnBuild=(_texts, False),
    OpenStdin=(_flag, False),
    StdinOnce=(_flag, False),
    Tty=(_flag, False),
    User=(_text, False),
    Volumes=(_names, False),
    WorkingDir=(_text, False),
    ExposedPorts=(_names, False),
    ArgsEscaped=(_flag, False),
    NetworkDisabled=(_flag, False),
    MacAddress=(_text, False),
    StopSignal=(_text, False),
    Shell=(_texts, False),
)

_config_file = _struct(
    architecture=(_text, True),
    author=(_text, False),
    container=(_text, False),
    created=(_time, True),
    docker_version=(_text, False),
    history=(_list(_history), False),
    os=(_text, True),
    rootfs=(_struct(type=(_text, True), diff_ids=(_list(_digest), True)), True),
    config=(_runtime_config, True),
    os_version=(_text, False),
    variant=(_text, False),
    os_features=(_texts, False),
)

_platform = _struct(
    architecture=(_text, True),
    os=(_text, True),
    os_version=(_text, False),
    os_features=(_texts, False),
    variant=(_text, False),
    features=(_texts, False),
)

_descriptor = _struct(
    mediaType=(_text, True),
    size=(_number, True),
    digest=(_digest, True),
    data=(_text, False),
    urls=(_texts, False),
    annotations=(_texts_by_name, False),
    platform=(_if_present(_platform), False),
    artifactType=(_text, False),
)

_manifest = _struct(
    schemaVersion=(_number, True),
    mediaType=(_text, False),
    config=(_descriptor, True),
    layers=(_list(_descriptor), True),
    annotations=(_texts_by_name, False),
    subject=(_if_present(_descriptor), False),
    artifactType=(_text, False),
)
