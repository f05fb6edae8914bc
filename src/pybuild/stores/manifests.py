"""Manifests as a registry gives them: found by name, believed only after every check, our platform chosen of an index.

Specification: OCI image-spec, "Image Manifest", "Image Index"; distribution-spec, "Pulling manifests".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import InvalidArchive, InvalidFile
from pybuild.oci import model
from pybuild.oci.digest import is_digest, sha256
from pybuild.stores import blobs
from pybuild.stores.exchange import Refused
from pybuild.stores.transport import MAX_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.gojson import Struct
    from pybuild.stores.blobs import Place

DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_IMAGES = (model.DOCKER_MANIFEST, model.OCI_MANIFEST)
_INDEXES = (DOCKER_INDEX, OCI_INDEX)
_ACCEPT = ", ".join((*_IMAGES, *_INDEXES))
_READS = 2  # a body that was cut on the way is read once more


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What an image must be for, of those in an index. `variant` "": any."""

    os: str = "linux"
    arch: str = "amd64"
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.arch, self.variant)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An image's manifest that has been checked, and its configuration, in the form that we write them."""

    digest: str
    media_type: str
    value: Struct
    config: Struct
    diff_ids: tuple[str, ...]

    @property
    def layers(self) -> Mapping[str, Struct]:
        """Descriptors by diff id."""
        return dict(zip(self.diff_ids, self.value["layers"] or (), strict=True))


def digest_of(place: Place, reference: str) -> str:
    """The digest of the manifest with that tag; "" when there is none, or none is told."""
    answer = place.transport.ask(
        "HEAD",
        f"{place.path}/manifests/{reference}",
        scopes=place.push,
        headers={"Accept": _ACCEPT},
        expect=(200, 404),
    )
    return answer.headers.get("docker-content-digest", "") if answer.status == 200 else ""


def find(place: Place, reference: str, platform: Platform) -> Manifest | None:
    """The image with that tag or digest; None when there is none. `InvalidArchive` for one that is broken."""
    found = _get(place, reference)
    if found is None:
        return None
    media_type, digest, value = found
    if media_type in _INDEXES:
        chosen = _choose(value, platform, f"{place.registry}/{place.repository}")
        found = _get(place, chosen)
        if found is None or found[0] not in _IMAGES:
            raise InvalidArchive(
                f"{place.registry}/{place.repository}: the index names {chosen}, which is no image there"
            )
        media_type, digest, value = found
    return _checked(place, media_type, digest, value)


def _get(place: Place, reference: str) -> tuple[str, str, Any] | None:
    """Media type, digest and value of a manifest."""
    where = f"the manifest {reference} of {place.registry}/{place.repository}"
    for reading in range(_READS):
        answer = place.transport.ask(
            "GET",
            f"{place.path}/manifests/{reference}",
            scopes=place.pull,
            headers={"Accept": _ACCEPT},
            expect=(200, 404),
            limit=MAX_MANIFEST,
        )
        if answer.status == 404:
            return None
        digest = sha256(answer.body)
        stated = reference if is_digest(reference) else answer.headers.get("docker-content-digest") or digest
        if stated == digest:
            break
        if reading == _READS - 1:
            raise InvalidArchive(f"{where} is {digest}, but the registry says {stated[:80]!r}")
    else:
        raise AssertionError("the last reading breaks off or raises")
    value = _object(answer.body, where)
    told = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    inner = value.get("mediaType", told)
    media_type = told if told in (*_IMAGES, *_INDEXES) else inner
    if media_type not in (*_IMAGES, *_INDEXES) or inner != media_type:
        raise InvalidArchive(
            f"{where} has the media type {str(inner)[:80]!r} ({told[:80]!r}), which is no image's"
        )
    return media_type, digest, value


def _object(body: bytes, where: str) -> Mapping[str, Any]:
    try:
        value = gojson.loads(body, where=where)
    except InvalidFile as exc:
        raise InvalidArchive(str(exc)) from exc
    if not isinstance(value, dict):
        raise InvalidArchive(f"{where} is no JSON object")
    return value


def _choose(index: Mapping[str, Any], wanted: Platform, where: str) -> str:
    """The digest of the manifest for our platform; the variant counts where both sides name one."""
    entries = index.get("manifests")
    known: list[Platform] = []
    chosen = ""
    for entry in entries if isinstance(entries, list) else ():
        named = entry.get("platform") if isinstance(entry, dict) else None
        if not isinstance(named, dict) or entry.get("mediaType") not in _IMAGES:
            continue
        given = Platform(
            os=str(named.get("os")),
            arch=str(named.get("architecture")),
            variant=str(named.get("variant") or ""),
        )
        known.append(given)
        same = (given.os, given.arch) == (wanted.os, wanted.arch)
        if same and is_digest(str(entry.get("digest"))):
            if given.variant == wanted.variant:
                return str(entry["digest"])
            if not chosen and (not given.variant or not wanted.variant):
                chosen = str(entry["digest"])
    if not chosen:
        has = ", ".join(map(str, known[:20])) or "nothing"
        raise InvalidArchive(f"{where} has no image for {wanted}: it has {has}", hint="choose another image")
    return chosen


def _checked(place: Place, media_type: str, digest: str, value: Mapping[str, Any]) -> Manifest:
    where = f"{place.registry}/{place.repository}@{digest}"
    try:
        manifest = model.manifest(value, where=where)
        described = manifest["config"]
        layers: Sequence[Any] = manifest["layers"] or ()
        for item in (described, *layers):
            if not is_digest(item["digest"]) or item["size"] < 0:
                raise InvalidArchive(f"{where}: a descriptor has no digest or size")
        config = model.config_file(_config(place, described, where), where=where)
    except InvalidFile as exc:
        raise InvalidArchive(str(exc)) from exc
    diff_ids = tuple(config["rootfs"]["diff_ids"] or ())
    if len(diff_ids) != len(layers) or not all(map(is_digest, diff_ids)):
        raise InvalidArchive(f"{where} has {len(layers)} layers, its configuration names {len(diff_ids)}")
    return Manifest(digest=digest, media_type=media_type, value=manifest, config=config, diff_ids=diff_ids)


def _config(place: Place, described: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The configuration file; its digest is checked as it is read."""
    size = described["size"]
    if size > MAX_MANIFEST:
        raise InvalidArchive(f"{where}: its configuration is larger than {MAX_MANIFEST >> 20} MiB")
    try:
        body = b"".join(blobs.read(place, described["digest"], size))
    except (blobs.NotWhatItSays, Refused) as exc:
        raise InvalidArchive(f"{where} has no usable configuration: {exc}") from exc
    return _object(body, f"the configuration of {where}")
