"""Image stores for tests: a real one in a folder, as strict as can be, and a witness that sees what others read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.oci.validate import image_faults
from pybuild.stores import daemon
from pybuild.stores.api import StoredImage, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pybuild.stores.api import ImageStore, Layer

_PIECE = 1 << 20


class FolderStore:
    """Images as files below `folder`: `layers/HEX` is the tar with that diff id, `configs/HEX` a configuration.

    It believes nothing: sizes and digests of layers that it reads are counted, every image that it writes must be
    sound. `like`: whether images look as a Docker Engine or as a registry shows them.
    """

    def __init__(self, folder: Path, *, like: Literal["daemon", "registry"] = "registry") -> None:
        self._layers, self._configs = folder / "layers", folder / "configs"
        self._like = like
        self._ids: dict[str, str] = {}
        self.names: dict[str, str] = {}
        for sub in (self._layers, self._configs):
            sub.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, config: bytes, layers: Sequence[bytes] = (), *, id: str = "") -> StoredImage:  # noqa: A002
        """An image from elsewhere. `id`: what the store is to call it, if not the configuration's digest."""
        for layer in layers:
            self._layer_file(sha256(layer)).write_bytes(layer)
        self._keep(config, id or sha256(config))
        self._name([Reference.parse(name)], id or sha256(config))
        found = self.find(name)
        assert found is not None
        assert set(found.diff_ids) <= {sha256(layer) for layer in layers}
        return found

    def add_bare(self, name: str, config: bytes) -> None:
        """An image whose layers nobody will read."""
        self._keep(config, sha256(config))
        self._name([Reference.parse(name)], sha256(config))

    def config(self, image_id: str) -> bytes:
        """The configuration file of an image, as it was written."""
        return self._config_file(self._ids[image_id]).read_bytes()

    def find(self, name: Reference | str) -> StoredImage | None:
        """See `ImageStore.find`."""
        text = name.name if isinstance(name, Reference) else name
        image_id = text if text in self._ids else self.names.get(Reference.parse(text).name)
        if image_id is None or image_id not in self._ids:
            return None
        config = json.loads(self.config(image_id))
        names = tuple(key for key, value in self.names.items() if value == image_id)
        if self._like == "daemon":
            return replace(daemon._stored(_inspected(config, image_id), _history(config)), names=names)
        return StoredImage(
            id=image_id,
            config=config,
            diff_ids=tuple(config["rootfs"]["diff_ids"]),
            labels=(config.get("config") or {}).get("Labels") or {},
            names=names,
        )

    def write(
        self,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        names: Sequence[Reference],
        previous: StoredImage | None,  # noqa: ARG002
    ) -> Written:
        """See `ImageStore.write`. Reads each layer that it lacks, once."""
        diff_ids, sent = list(base.diff_ids), 0
        for layer in layers:
            if layer.diff_id is None or not self._layer_file(layer.diff_id).exists():
                diff_ids.append(self._read(layer))
                sent += layer.size
            else:
                assert self._layer_file(layer.diff_id).stat().st_size == layer.size, layer.created_by
                diff_ids.append(layer.diff_id)
        config = make_config(tuple(diff_ids))
        assert image_faults(config, diff_ids) == []
        changed = not self._config_file(sha256(config)).exists()
        self._keep(config, sha256(config))
        self._name(names, sha256(config))
        return Written(
            image_id=sha256(config),
            changed=changed,
            sent_bytes=sent,
            size=sum(self._layer_file(diff_id).stat().st_size for diff_id in diff_ids),
            diff_ids=tuple(diff_ids),
        )

    def restack(
        self,
        image: StoredImage,
        base: StoredImage,
        kept: Sequence[str],
        config: bytes,
        names: Sequence[Reference],
    ) -> Written:
        """See `RebasingStore.restack`. Reads no layer, and needs none."""
        diff_ids = (*base.diff_ids, *kept)
        assert set(kept) <= set(image.diff_ids)
        assert image_faults(config, diff_ids) == []
        changed = sha256(config) not in self._ids
        self._keep(config, sha256(config))
        self._name(names, sha256(config))
        return Written(image_id=sha256(config), changed=changed, sent_bytes=0, size=0, diff_ids=diff_ids)

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        """See `ImageStore.read_layer`."""
        assert diff_id in image.diff_ids
        with self._layer_file(diff_id).open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        """No test asks for one."""
        raise NotImplementedError

    def delete(self, image: StoredImage) -> None:
        """See `ImageStore.delete`."""
        self.names = {name: held for name, held in self.names.items() if held != image.id}
        self._ids.pop(image.id, None)

    def _read(self, layer: Layer) -> str:
        digest, size = hashlib.sha256(), 0
        coming = self._layers / "coming"
        with coming.open("wb") as file:
            for piece in layer.open():
                digest.update(piece)
                size += file.write(piece)
        diff_id = f"sha256:{digest.hexdigest()}"
        assert size == layer.size, layer.created_by
        assert layer.diff_id in (None, diff_id), layer.created_by
        coming.rename(self._layer_file(diff_id))
        return diff_id

    def _keep(self, config: bytes, image_id: str) -> None:
        self._config_file(sha256(config)).write_bytes(config)
        self._ids[image_id] = sha256(config)

    def _name(self, names: Sequence[Reference], image_id: str) -> None:
        self.names |= {name.name: image_id for name in names}

    def _layer_file(self, diff_id: str) -> Path:
        return self._layers / diff_id.removeprefix("sha256:")

    def _config_file(self, digest: str) -> Path:
        return self._configs / digest.removeprefix("sha256:")


class Witness:
    """Any store, with a note of the layers that were opened (their words for the history), in order.

    `thorough`: every layer that names a diff id is read beforehand, and must be what it says.
    """

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self.opened: list[str] = []
        self.written: list[str] = []
        self.thorough = False

    def find(self, name: Reference | str) -> StoredImage | None:
        return self._store.find(name)

    def write(
        self,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        names: Sequence[Reference],
        previous: StoredImage | None,
    ) -> Written:
        if self.thorough:
            for layer in layers:
                if layer.diff_id is not None:
                    content = b"".join(layer.open())
                    assert (len(content), sha256(content)) == (layer.size, layer.diff_id), layer.created_by
        watched = [replace(layer, open=self._watched(layer)) for layer in layers]
        made = self._store.write(base, watched, make_config, names, previous)
        self.written.append(made.image_id)
        return made

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        return self._store.read_layer(image, diff_id)

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        return self._store.read_file(image, path)

    def delete(self, image: StoredImage) -> None:
        self._store.delete(image)

    def _watched(self, layer: Layer) -> Callable[[], Iterator[bytes]]:
        def open_() -> Iterator[bytes]:
            self.opened.append(layer.created_by)
            return layer.open()

        return open_


def _inspected(config: Mapping[str, Any], image_id: str) -> dict[str, Any]:
    """What GET /images/ID/json of a Docker Engine shows of this configuration."""
    return {
        "Id": image_id,
        "Architecture": config["architecture"],
        "Author": config.get("author", ""),
        "Created": config.get("created"),
        "Os": config["os"],
        "OsVersion": config.get("os.version", ""),
        "Variant": config.get("variant", ""),
        "RootFS": {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]},
        "Config": config.get("config") or {},
    }


def _history(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What GET /images/ID/history shows: the newest first, and not whether there is a layer."""
    return [
        {
            "Created": int(datetime.fromisoformat(item["created"]).timestamp()) if "created" in item else 0,
            "CreatedBy": item.get("created_by", ""),
            "Comment": item.get("comment", ""),
        }
        for item in reversed(config.get("history") or [])
    ]
