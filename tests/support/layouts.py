"""OCI image layouts for tests, good ones and others: written by hand, with nothing of the code under test."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer_of(**files: str) -> bytes:
    """The tar of a layer with these files in its root."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    return data.getvalue()


class LayoutMaker:
    """A layout in `folder`. Blobs are written when they are added, the index with `index`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.index()

    def blob(self, content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        """Add a blob; gives its descriptor."""
        digest = digest_of(content)
        self.path(digest).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content), **more}

    def path(self, digest: str) -> Path:
        """The file of a blob."""
        return self.folder / "blobs" / digest.replace(":", "/")

    def json(self, value: object, media_type: str, **more: Any) -> dict[str, Any]:
        """Add a blob of JSON."""
        return self.blob(json.dumps(value).encode(), media_type, **more)

    def image(
        self,
        layers: Sequence[bytes] = (),
        *,
        arch: str = "amd64",
        config: Mapping[str, Any] | None = None,
        compress: bool = True,
        **more: Any,
    ) -> dict[str, Any]:
        """Add an image; gives the manifest's descriptor. `config`: over what is usual."""
        diff_ids = [digest_of(layer) for layer in layers]
        value: dict[str, Any] = {
            "architecture": arch,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "config": {"Labels": {"made-by": "test"}},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.json({**value, **(config or {})}, CONFIG),
            "layers": [
                self.blob(gzip.compress(layer, mtime=0), f"{LAYER}+gzip")
                if compress
                else self.blob(layer, LAYER)
                for layer in layers
            ],
        }
        return self.json(manifest, MANIFEST, **more)

    def index(self, *descriptors: Mapping[str, Any]) -> None:
        """Write index.json."""
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(descriptors)}
        (self.folder / "index.json").write_text(json.dumps(value))

    def archive(self, path: Path, *, mode: str = "w") -> Path:
        """The layout as a tar, whose names begin with ./ as those of GNU tar do."""
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            archive.add(self.folder, ".")
        return path


def named(name: str, full: str = "") -> dict[str, Any]:
    """The annotations that give a name."""
    return {"annotations": {REF_NAME: name, **({FULL_NAME: full} if full else {})}}


def platform(arch: str, os: str = "linux") -> dict[str, Any]:
    """What an index says an image is for."""
    return {"platform": {"architecture": arch, "os": os}}
