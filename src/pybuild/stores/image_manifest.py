"""An image's manifest, believed only after every check, whoever gave it; and the choice of our platform in an index.

Specification: OCI image-spec, "Image Manifest", "Image Index".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import InvalidArchive, InvalidFile
from pybuild.oci import model
from pybuild.oci.digest import is_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pybuild.gojson import Struct

    ConfigReader = Callable[[str, int, str], bytes]
    """Gives the content of a configuration, verified: exactly so many bytes with that digest; the third is for errors."""

DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
IMAGES = (model.DOCKER_MANIFEST, model.OCI_MANIFEST)
INDEXES = (DOCKER_INDEX, OCI_INDEX)
MAX_MANIFEST = 4 << 20
"""Most bytes of a manifest, an index or a configuration."""


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


def read_object(body: bytes, where: str) -> Mapping[str, Any]:
    """The JSON object in `body`; `InvalidArchive` if it is something else."""
    try:
        value = gojson.loads(body, where=where)
    except InvalidFile as exc:
        raise InvalidArchive(str(exc)) from exc
    if not isinstance(value, dict):
        raise InvalidArchive(f"{where} is no JSON object")
    return value


def choose(index: Mapping[str, Any], wanted: Platform, where: str) -> str:
    """The digest of the manifest for our platform; the variant counts where both sides name one."""
    entries = index.get("manifests")
    known: list[Platform] = []
    chosen = ""
    for entry in entries if isinstance(entries, list) else ():
        named = entry.get("platform") if isinstance(entry, dict) else None
        if not isinstance(named, dict) or entry.get("mediaType") not in IMAGES:
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
        # Whoever wrote it may have written names of any length.
        has = ", ".join(str(each)[:60] for each in known[:20]) or "nothing"
        raise InvalidArchive(f"{where} has no image for {wanted}: it has {has}", hint="choose another image")
    return chosen


def checked(
    media_type: str, digest: str, value: Mapping[str, Any], config: ConfigReader, *, where: str
) -> Manifest:
    """The manifest whose JSON is `value`, with its configuration; `InvalidArchive` for one that is broken."""
    try:
        manifest = model.manifest(value, where=where)
        described = manifest["config"]
        layers: Sequence[Any] = manifest["layers"] or ()
        for item in (described, *layers):
            if not is_digest(item["digest"]) or item["size"] < 0:
                raise InvalidArchive(f"{where}: a descriptor has no digest or size")
        if described["size"] > MAX_MANIFEST:
            raise InvalidArchive(f"{where}: its configuration is larger than {MAX_MANIFEST >> 20} MiB")
        body = config(described["digest"], described["size"], where)
        file = model.config_file(read_object(body, f"the configuration of {where}"), where=where)
    except InvalidFile as exc:
        raise InvalidArchive(str(exc)) from exc
    diff_ids = tuple(file["rootfs"]["diff_ids"] or ())
    if len(diff_ids) != len(layers) or not all(map(is_digest, diff_ids)):
        raise InvalidArchive(f"{where} has {len(layers)} layers, its configuration names {len(diff_ids)}")
    return Manifest(digest=digest, media_type=media_type, value=manifest, config=file, diff_ids=diff_ids)
