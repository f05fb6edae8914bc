"""Buildpacks and extensions in an archive: a tar of one, or a .cnb file (a tar of an OCI layout) with one or several.

Nothing in an archive is trusted: names, links, digests and sizes are checked before anything is installed.

Specification: distribution.md, "Buildpackage"; GO-94.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import InvalidArchive
from pybuild.oci import tar
from pybuild.oci.digest import Hashing, check
from pybuild.platform.buildpacks.modules import DIRS, MOST_BYTES, MOST_ENTRIES, Content, Kind, Module
from pybuild.spec.buildpack import Descriptor, escape_id
from pybuild.spec.package import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_BLOCK = 1 << 18
_LIMITS = tar.Limits(entries=MOST_ENTRIES, size=MOST_BYTES, name=4096)
_LAYOUT = tar.Limits(entries=10_000, size=4 * MOST_BYTES, name=4096)
_MOST_LAYERS = 500


def read(path: Path, scratch: Path, *, kind: Kind = "buildpack") -> tuple[Module, ...]:
    """The modules in an archive, the one to run first. `scratch`: a folder that lives as long as they do.

    Raises `InvalidArchive` for anything that is not a buildpack archive or not safe to unpack.
    """
    with _explained(path):
        for member, body in tar.read(_chunks(path), limits=_LAYOUT):
            name = _relative(member.name)
            if name in (b"oci-layout", b"index.json"):
                return _read_layout(path, scratch, kind)
            if name == f"{kind}.toml".encode() and member.kind == tar.FILE:
                descriptor = Descriptor.read(body.read(), f"{path}: {kind}.toml", kind=kind)
                return (_module(descriptor, path, b""),)
    raise InvalidArchive(
        f"{path} is no {kind}: it has no {kind}.toml at its root", hint="tar it from inside its folder"
    )


def read_labels(path: Path, scratch: Path) -> dict[str, str]:
    """The labels of the image in a .cnb file. Raises `InvalidArchive` if it is none."""
    with _explained(path):
        return dict(_layout(path, scratch)[2])


def modules_in(
    layers: Iterable[Path], labels: Mapping[str, str], origin: str, *, kind: Kind = "buildpack"
) -> tuple[Module, ...]:
    """The modules in the layers of a buildpackage, the one that its label names first (PKG-03, PKG-04).

    `layers`: their tars, which must live as long as the modules. Raises `InvalidArchive`.
    """
    if METADATA not in labels:
        raise InvalidArchive(
            f"{origin} is no buildpackage: it has no label {METADATA}",
            hint="pybuild buildpack package makes them, docker inspect shows labels",
        )
    about = gojson.loads(labels[METADATA], where=f"{origin}: label {METADATA}")
    modules = [module for layer in layers for module in _modules_of(layer, origin, kind)]
    first = [
        each
        for each in modules
        if (each.descriptor.id, each.descriptor.version) == (about["id"], about["version"])
    ]
    if not first:
        raise InvalidArchive(
            f"{origin}: the {kind} {about['id']}@{about['version']} is in none of its layers"
        )
    return (first[0], *(each for each in modules if each is not first[0]))


def _read_layout(path: Path, scratch: Path, kind: Kind) -> tuple[Module, ...]:
    blobs, layers, labels = _layout(path, scratch)
    return modules_in((_blob(blobs, layer, path) for layer in layers), labels, str(path), kind=kind)


def _layout(path: Path, scratch: Path) -> tuple[Path, list[Any], Mapping[str, str]]:
    """Of a .cnb file: the folder its blobs were unpacked to, its layers' descriptors, its labels."""
    blobs = scratch / hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    blobs.mkdir(mode=0o700, exist_ok=True)
    index = _unpack_blobs(path, blobs)
    descriptors = gojson.loads(index, where=f"{path}: index.json").get("manifests") or []
    if len(descriptors) != 1:
        raise InvalidArchive(f"{path}: expected one image in index.json, found {len(descriptors)}")
    manifest = _json(blobs, descriptors[0], path)
    config = _json(blobs, manifest["config"], path)
    layers = manifest["layers"]
    if len(layers) > _MOST_LAYERS:
        raise InvalidArchive(f"{path} has more than {_MOST_LAYERS} layers")
    return blobs, layers, config["config"].get("Labels") or {}


def _unpack_blobs(path: Path, blobs: Path) -> bytes:
    """Put every blob into `blobs`, named by its digest, which it must have; return index.json."""
    index = b""
    for member, body in tar.read(_chunks(path), limits=_LAYOUT):
        name = _relative(member.name)
        if name == b"index.json":
            index = body.read()
        elif name.startswith(b"blobs/sha256/") and member.kind == tar.FILE:
            digest = check("sha256:" + name[13:].decode("ascii", "replace"), where=f"{path}: {name!r}")
            content = Hashing(body)
            with (blobs / digest.removeprefix("sha256:")).open("wb") as file:
                for chunk in content:
                    file.write(chunk)
            if content.digest != digest:
                raise InvalidArchive(
                    f"{path}: {digest} is damaged: its content has the digest {content.digest}"
                )
    return index


def _blob(blobs: Path, descriptor: Any, path: Path) -> Path:
    digest = check(descriptor["digest"], where=f"{path}: digest")
    return blobs / digest.removeprefix("sha256:")


def _json(blobs: Path, descriptor: Any, path: Path) -> Any:
    file = _blob(blobs, descriptor, path)
    if file.stat().st_size > gojson.MAX_BYTES:
        raise InvalidArchive(f"{path}: {descriptor['digest']} is too large for a manifest or configuration")
    return gojson.loads(file.read_bytes(), where=f"{path}: {descriptor['digest']}")


def _modules_of(layer: Path, origin: str, kind: Kind) -> list[Module]:
    """The modules that one layer installs."""
    found = []
    top = DIRS[kind].lstrip("/").encode().split(b"/")
    for member, body in tar.read(_chunks(layer), limits=_LIMITS):
        parts = _relative(member.name).split(b"/")
        if len(parts) == 5 and parts[:2] == top and parts[4] == f"{kind}.toml".encode():
            descriptor = Descriptor.read(body.read(), f"{origin}: {os.fsdecode(member.name)}", kind=kind)
            root = f"{DIRS[kind]}/{escape_id(descriptor.id)}/{descriptor.version}".encode()
            if b"/" + b"/".join(parts[:4]) != root:
                raise InvalidArchive(f"{origin}: {descriptor} does not lie in {os.fsdecode(root)}")
            found.append(_module(descriptor, layer, root.lstrip(b"/") + b"/", origin=origin))
    return found


def _module(descriptor: Descriptor, archive: Path, root: bytes, *, origin: str = "") -> Module:
    return Module(
        descriptor=descriptor, origin=origin or str(archive), contents=lambda: _contents(archive, root)
    )


def _contents(archive: Path, root: bytes) -> Iterator[Content]:
    """What an archive has below `root`, in its order; folders that it only implies come as well."""
    kinds: dict[bytes, bytes] = {}
    with _explained(archive):
        for member, body in tar.read(_chunks(archive), limits=_LIMITS):
            name = _relative(member.name)
            if not name.startswith(root) or name == root or not name:
                continue
            path = name[len(root) :]
            for folder in _missing_parents(path, kinds):
                yield Content(folder, tar.DIRECTORY)
            before = kinds.get(path)
            if before is not None:
                if before == member.kind == tar.DIRECTORY:
                    continue
                raise InvalidArchive(f"{archive} holds {os.fsdecode(path)!r} twice")
            target = _target(member, root, kinds)
            kinds[path] = member.kind
            yield Content(
                path,
                member.kind,
                bool(member.mode & 0o111),
                member.size,
                target,
                body.__iter__,
            )


def _missing_parents(path: bytes, kinds: dict[bytes, bytes]) -> list[bytes]:
    parts = path.split(b"/")
    missing = []
    for depth in range(1, len(parts)):
        parent = b"/".join(parts[:depth])
        kind = kinds.setdefault(parent, b"")
        if kind == b"":
            kinds[parent] = tar.DIRECTORY
            missing.append(parent)
        elif kind != tar.DIRECTORY:
            # Writing through a link would leave the buildpack's folder.
            raise InvalidArchive(
                f"{os.fsdecode(path)!r} lies below {os.fsdecode(parent)!r}, which is no folder"
            )
    return missing


def _target(member: tar.Member, root: bytes, kinds: dict[bytes, bytes]) -> bytes:
    if member.kind == tar.SYMLINK:
        return member.linkname
    if member.kind == tar.HARD_LINK:
        target = _relative(member.linkname)
        if not target.startswith(root) or kinds.get(target[len(root) :]) != tar.FILE:
            raise InvalidArchive(f"{os.fsdecode(member.name)!r} is a hard link to no file of the archive")
        return target[len(root) :]
    if member.kind not in (tar.FILE, tar.DIRECTORY):
        raise InvalidArchive(f"{os.fsdecode(member.name)!r} is a device or FIFO, which no buildpack needs")
    return b""


def _relative(name: bytes) -> bytes:
    """A name without leading `./` or `/` and trailing `/`; `InvalidArchive` if it leads elsewhere."""
    parts = name.split(b"/")
    if b".." in parts or b"\0" in name:
        raise InvalidArchive(f"the archive holds {os.fsdecode(name)!r}, which leads out of it")
    return b"/".join(part for part in parts if part not in (b"", b"."))


def _chunks(path: Path) -> Iterator[bytes]:
    """The tar in a file, decompressed if it is gzip."""
    with path.open("rb") as file:
        first = file.read(_BLOCK)
        blocks = _blocks(first, iter(lambda: file.read(_BLOCK), b""))
        yield from _decompressed(blocks) if first.startswith(b"\x1f\x8b") else blocks


def _blocks(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _decompressed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Never more than a block at once, however much a bomb packs into it; several members may follow each other."""
    gzip = zlib.decompressobj(wbits=31)
    for block in blocks:
        data = block
        while data:
            if gzip.eof:
                if not data.strip(b"\0"):
                    break
                gzip = zlib.decompressobj(wbits=31)
            chunk = gzip.decompress(data, _BLOCK)
            data = gzip.unconsumed_tail or gzip.unused_data
            if chunk:
                yield chunk
            elif not data:
                break
    if not gzip.eof:
        raise InvalidArchive("the archive is cut off")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Let everything that goes wrong with an archive's bytes or shape name the archive."""
    try:
        yield
    except InvalidArchive as exc:
        text = str(exc)
        raise InvalidArchive(text if str(path) in text else f"{path}: {text}", hint=exc.hint) from exc
    except (zlib.error, OSError) as exc:
        raise InvalidArchive(f"{path} cannot be read: {exc}") from exc
    except (KeyError, TypeError, AttributeError, IndexError) as exc:
        raise InvalidArchive(
            f"{path} is no buildpackage: its manifest or labels are incomplete ({exc})"
        ) from exc
