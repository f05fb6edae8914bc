"""Indexes in registries: which images a name leads to, and an index with all its images put under a name.

Specification: OCI distribution-spec, "Pushing manifests".
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pybuild.errors import InvalidArchive, RegistryError
from pybuild.events import info
from pybuild.oci import model
from pybuild.oci.digest import sha256
from pybuild.oci.index import Entry, Index
from pybuild.stores import blobs, image_manifest, manifests
from pybuild.stores.image_manifest import INDEXES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.oci.reference import Reference
    from pybuild.stores.blobs import Place

_CONNECTIONS = 4
_PLATFORM_KEYS = ("architecture", "os", "os.version", "os.features", "variant")


def entries(place: Place, reference: str) -> tuple[Entry, ...]:
    """The images that a tag or digest stands for: one, with the platform of its configuration, or those of an index.

    Raises `RegistryError` if there is none.
    """
    where = f"{place.registry}/{place.repository}:{reference}"
    found = manifests.get(place, reference)
    if found is None:
        raise RegistryError(
            f"{place.registry} has no image {place.repository}:{reference}", hint="docker push it first"
        )
    media_type, digest, body = found
    if media_type in INDEXES:
        return Index.read(body, where).entries
    config = _config(place, image_manifest.read_object(body, where), where)
    return (
        Entry(
            media_type=media_type,
            digest=digest,
            size=len(body),
            platform={key: config[key] for key in _PLATFORM_KEYS if config.get(key)},
            annotations={},
        ),
    )


def push(target: Place, name: Reference, index: Index, held: Mapping[str, Place]) -> str:
    """Give the index a name, once its repository has every image of it; return its digest.

    `held`: where an image is, by digest, if it is not in that repository. Raises `RegistryError`.
    """
    for entry in index.entries:
        _ensure(target, entry.digest, held.get(entry.digest))
    text = index.write()
    digest = sha256(text)
    _put(target, name.tag, index.media_type, text)
    info(f"Pushed the index {name}@{digest}")
    return digest


def _ensure(target: Place, digest: str, held: Place | None) -> None:
    """Have the repository hold the image, or index, with all that it is made of."""
    if manifests.get(target, digest) is not None:
        return
    if held is None:
        raise RegistryError(
            f"{target.registry}/{target.repository} has no image {digest}",
            hint="push the image there first, or add it from where it is",
        )
    found = manifests.get(held, digest)
    if found is None:
        raise RegistryError(f"{held.registry}/{held.repository} has no image {digest} any more")
    media_type, _, body = found
    where = f"{held.registry}/{held.repository}@{digest}"
    if media_type in INDEXES:
        for entry in Index.read(body, where).entries:
            _ensure(target, entry.digest, held)
    else:
        value = model.manifest(image_manifest.read_object(body, where), where=where)
        wanted = {item["digest"]: item["size"] for item in (value["config"], *(value["layers"] or ()))}

        def copy(item: tuple[str, int]) -> None:
            remote = blobs.Remote(place=held, digest=item[0], size=item[1])
            blobs.ensure(target, blobs.Blob(digest=item[0], size=item[1], source=remote, held=held))

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            list(pool.map(copy, wanted.items()))
    _put(target, digest, media_type, body)


def _put(place: Place, reference: str, media_type: str, text: bytes) -> None:
    place.transport.ask(
        "PUT",
        f"{place.path}/manifests/{reference}",
        scopes=place.push,
        headers={"Content-Type": media_type},
        body=text,
        expect=(200, 201),
    )


def _config(place: Place, value: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    described = model.manifest(value, where=where)["config"]
    if described["size"] > image_manifest.MAX_MANIFEST:
        raise InvalidArchive(f"{where}: its configuration is larger than any image's")
    body = b"".join(blobs.read(place, described["digest"], described["size"]))
    return image_manifest.read_object(body, f"the configuration of {where}")
