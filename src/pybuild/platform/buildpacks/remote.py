"""Modules that are not on this machine: in images of an engine or a registry, behind URLs, in buildpack registries.

Specification: distribution.md, "Buildpackage" (PKG-01, PKG-03); extensions/buildpack-registry.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive, InvalidInput
from pybuild.oci.reference import Reference
from pybuild.platform.buildpacks import download, fetch_archive, registry_index
from pybuild.spec.config import OFFICIAL_REGISTRY, IndexRegistry
from pybuild.spec.package import METADATA
from pybuild.spec.registry_index import RegistryId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import docker

    from pybuild.platform.buildpacks.modules import Kind, Module
    from pybuild.stores.api import ImageReader, StoredImage
    from pybuild.stores.image_manifest import Platform

    Finder = Callable[[Reference], tuple[ImageReader, StoredImage]]
    """Gives the image of that name, and what reads it. Raises `PybuildError` where there is none."""

_MOST_LAYERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """The ways to what is elsewhere. `find`: where images are looked for; `environ`: for proxies and certificates."""

    find: Finder
    environ: Mapping[str, str]
    registry: IndexRegistry = field(default=OFFICIAL_REGISTRY)

    def package(self, name: str, scratch: Path, *, kind: Kind = "buildpack") -> tuple[Module, ...]:
        """The modules in a buildpackage image, the main one first. `scratch`: lives as long as they do."""
        reader, image = self.find(Reference.parse(name))
        if METADATA not in image.labels:
            raise InvalidArchive(
                f"the image {name} is no buildpackage: it has no label {METADATA}",
                hint="pybuild buildpack package makes them",
            )
        if len(image.diff_ids) > _MOST_LAYERS:
            raise InvalidArchive(f"the image {name} has more than {_MOST_LAYERS} layers")
        layers = _spooled(reader, image, scratch)
        return fetch_archive.modules_in(layers, image.labels, name, kind=kind)

    def address(self, word: str) -> str:
        """The image that is `namespace/name[@version]` in the registry."""
        return registry_index.find(self.registry, RegistryId.parse(word), environ=self.environ).address

    def file(self, url: str) -> Path:
        """The file behind a URL."""
        return download.download(url, environ=self.environ)


def _spooled(reader: ImageReader, image: StoredImage, scratch: Path) -> Iterator[Path]:
    """The image's layers as files."""
    folder = scratch / hashlib.sha256(image.id.encode()).hexdigest()[:16]
    folder.mkdir(mode=0o700, exist_ok=True)
    for diff_id in image.diff_ids:
        path = folder / diff_id.removeprefix("sha256:")
        if not path.exists():
            coming = path.with_suffix(".coming")
            with coming.open("wb") as file:
                file.writelines(reader.read_layer(image, diff_id))
            coming.rename(path)
        yield path


def in_engine(client: docker.APIClient, policy: str, *, mirrors: Mapping[str, str] | None = None) -> Finder:
    """Images of the engine, pulled as often as the policy says."""
    from pybuild.platform.pull import checked_policy, present
    from pybuild.stores.daemon import DaemonStore

    checked = checked_policy(policy)

    def find(name: Reference) -> tuple[ImageReader, StoredImage]:
        return DaemonStore(client), present(client, name, checked, mirrors=mirrors)

    return find


def in_registry(
    environ: Mapping[str, str], *, insecure: tuple[str, ...] = (), platform: Platform | None = None
) -> Finder:
    """Images of registries; of an index, the one for the platform."""
    from pybuild.stores.keychain import Keychain
    from pybuild.stores.registry import RegistryStore

    store = RegistryStore(Keychain(environ), environ=environ, insecure=insecure, platform=platform)

    def find(name: Reference) -> tuple[ImageReader, StoredImage]:
        image = store.find(name)
        if image is None:
            raise InvalidInput(
                f"there is no image {name} on {name.registry}", hint="look at its name and tag"
            )
        return store, image

    return find
