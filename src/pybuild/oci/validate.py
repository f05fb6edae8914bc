"""What must be true of an image whoever made it; every image that a test makes is checked with this.

Specification: OCI image-spec, "Image Configuration" and "Image Manifest"; platform.md, "Labels".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.oci import model
from pybuild.oci.digest import is_digest, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

METADATA_LABEL = "io.buildpacks.lifecycle.metadata"
JSON_LABELS = (METADATA_LABEL, "io.buildpacks.build.metadata", "io.buildpacks.project.metadata")

_CONFIG_TYPES = {model.DOCKER_MANIFEST: model.DOCKER_CONFIG, model.OCI_MANIFEST: model.OCI_CONFIG}


def image_faults(config: bytes, layers: Sequence[str]) -> list[str]:
    """What is broken in an image with this configuration file and layers of these diff ids; [] when sound."""
    try:
        file = model.config_file(gojson.loads(config, where="configuration"))
    except InvalidFile as exc:
        return [str(exc)]
    return [*_rootfs_faults(file, layers), *_config_faults(file["config"]), *_label_faults(file)]


def manifest_faults(manifest: bytes, config: bytes) -> list[str]:
    """What is broken in a manifest that names this configuration file; [] when sound."""
    try:
        named = model.manifest(gojson.loads(manifest, where="manifest"))
        file = model.config_file(gojson.loads(config, where="configuration"))
    except InvalidFile as exc:
        return [str(exc)]
    return list(_manifest_faults(named, config, len(file["rootfs"]["diff_ids"] or ())))


def _rootfs_faults(file: Mapping[str, Any], layers: Sequence[str]) -> Iterator[str]:
    for key in ("architecture", "os"):
        if not file[key]:
            yield f"{key} is empty"
    if file["rootfs"]["type"] != "layers":
        yield f"rootfs.type is {file['rootfs']['type']!r}, not 'layers'"
    diff_ids = file["rootfs"]["diff_ids"] or []
    yield from (f"the diff id {diff_id!r} is no digest" for diff_id in diff_ids if not is_digest(diff_id))
    if diff_ids != list(layers):
        yield f"rootfs.diff_ids are not those of the {len(layers)} layers"
    filled = [item for item in file.get("history", ()) if not item.get("empty_layer")]
    if filled and len(filled) != len(diff_ids):
        yield f"history has {len(filled)} items with a layer for {len(diff_ids)} layers"


def _config_faults(config: Mapping[str, Any]) -> Iterator[str]:
    names = [text.partition("=") for text in config.get("Env", ())]
    yield from (
        f"the variable {name!r} has no value or no name" for name, equals, _ in names if not (name and equals)
    )
    if len({name for name, _, _ in names}) != len(names):
        yield "a variable is set twice"
    if (folder := config.get("WorkingDir", "/")) and not folder.startswith("/"):
        yield f"the working directory {folder!r} is not absolute"
    if config.get("Entrypoint") and not config["Entrypoint"][0]:
        yield "the entrypoint is empty"


def _label_faults(file: Mapping[str, Any]) -> Iterator[str]:
    labels = file["config"].get("Labels", {})
    for name in JSON_LABELS:
        try:
            value = gojson.loads(labels.get(name, "{}"), where=f"label {name}")
        except InvalidFile as exc:
            yield str(exc)
            continue
        if name == METADATA_LABEL:
            known = file["rootfs"]["diff_ids"] or ()
            yield from (
                f"label {name}: no layer is {digest}" for digest in _digests(value) if digest not in known
            )


def _digests(value: object) -> Iterator[str]:
    """Every non-empty `sha` and `topLayer` at any depth; both name layers of the image."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in ("sha", "topLayer") and isinstance(item, str) and item:
                yield item
            elif key not in ("data", "store"):  # those are buildpacks' own
                yield from _digests(item)
    elif isinstance(value, list):
        for item in value:
            yield from _digests(item)


def _manifest_faults(manifest: Mapping[str, Any], config: bytes, layers: int) -> Iterator[str]:
    if manifest.get("schemaVersion") != 2:
        yield "schemaVersion is not 2"
    expected = _CONFIG_TYPES.get(manifest.get("mediaType", ""))
    if expected is None:
        yield f"mediaType {manifest.get('mediaType')!r} is no image manifest's"
    elif manifest["config"].get("mediaType") != expected:
        yield f"config.mediaType is {manifest['config'].get('mediaType')!r}, not {expected!r}"
    if (manifest["config"].get("digest"), manifest["config"].get("size")) != (sha256(config), len(config)):
        yield "config.digest or config.size is not that of the configuration"
    if len(manifest.get("layers") or ()) != layers:
        yield f"{len(manifest.get('layers') or ())} layers stand in the manifest, {layers} in the configuration"
    for number, layer in enumerate(manifest.get("layers") or ()):
        if not is_digest(layer.get("digest", "")) or layer.get("size", 0) <= 0 or not layer.get("mediaType"):
            yield f"layers[{number}] lacks a digest, a size or a mediaType"
