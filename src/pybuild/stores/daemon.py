"""Images in a Docker Engine: found by inspecting, written by one streamed `docker load`, named last.

The engine looks only at the chain of diff ids: where it has the content for the lowest layers already, an
empty file stands for each of them. So a rebuild that changes one label sends no layer at all.

Specification: platform.md, "exporter"; how the engine behaves: GO-35.
"""

from __future__ import annotations

import posixpath
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pybuild import engine
from pybuild.errors import (
    EngineUnavailable,
    ExportError,
    InvalidArchive,
    InvalidReference,
    PybuildError,
)
from pybuild.oci.digest import is_digest, sha256
from pybuild.oci.reference import Reference
from pybuild.stores.api import StoredImage, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import docker

    from pybuild.glance import Glance
    from pybuild.stores.api import Layer
    from pybuild.stores.load import Source, Upload
    from pybuild.stores.saved import SavedImage

CONFIG_KEYS = (
    "Cmd",
    "Healthcheck",
    "Entrypoint",
    "Env",
    "Labels",
    "OnBuild",
    "User",
    "Volumes",
    "WorkingDir",
    "ExposedPorts",
    "StopSignal",
    "Shell",
)
"""What the Go lifecycle takes over of a daemon image's configuration; the rest it drops."""

_MOST_LINKS = 8
_LOADED = "Loaded image ID: "


class DaemonStore:
    """The images of one Docker Engine. `labels` go on containers that it makes for a moment."""

    def __init__(self, client: docker.APIClient | Glance, *, labels: Mapping[str, str] | None = None) -> None:
        self._client: Any = client  # the SDK's annotations are partial
        self._labels = dict(labels or {})
        self._info: dict[str, Any] | None = None
        self._saved: tuple[str, SavedImage] | None = None

    def find(self, name: Reference | str) -> StoredImage | None:
        """The image of that name or id; None when the engine has none."""
        text = name.name if isinstance(name, Reference) else name
        try:
            with engine.translating(f"looking for the image {text}"):
                found = self._client.inspect_image(text)
                # With containerd's image store, null for an image that has none.
                history = self._client.history(found["Id"]) or []
        except engine.NotFound:
            return None
        return _stored(found, history)

    def write(
        self,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        names: Sequence[Reference],
        previous: StoredImage | None,
    ) -> Written:
        """See `ImageStore.write`. Sends nothing if the engine has the very image already."""
        _check_names(names)
        present = self._present(base, layers, make_config)
        if present is not None:
            return self._named(present, names)
        from pybuild.stores import load  # an analyzer needs none of it

        sources = [*map(load.Source, base.diff_ids), *map(load.source_of, layers)]
        with engine.translating("sending the image"):
            upload = self._send(base, sources, make_config, previous)
        return self._taken(upload, names)

    def restack(
        self,
        image: StoredImage,
        base: StoredImage,
        kept: Sequence[str],
        config: bytes,
        names: Sequence[Reference],
    ) -> Written:
        """See `RebasingStore.restack`. The engine gives an image only whole, so all of `image` is read once."""
        _check_names(names)
        present = self.find(sha256(config))
        if present is not None:
            return self._named(present, names)
        from pybuild.stores import load

        sources = [load.Source(diff_id) for diff_id in (*base.diff_ids, *kept)]
        with engine.translating("sending the image"), ExitStack() as stack:
            if self._is_containerd() or load.held_below(sources, base, image) < len(sources):
                saved = stack.enter_context(self._save(image))
                own = [source.filled_from(saved) for source in sources[len(base.diff_ids) :]]
                sources[len(base.diff_ids) :] = own
            upload = self._send(base, sources, lambda _: config, image)
        return self._taken(upload, names)

    def _named(self, present: StoredImage, names: Sequence[Reference]) -> Written:
        """The engine has the very image already."""
        self._name(present, names)
        return Written(
            image_id=present.id, changed=False, sent_bytes=0, size=present.size, diff_ids=present.diff_ids
        )

    def _taken(self, upload: Upload, names: Sequence[Reference]) -> Written:
        """Name an image that was sent, once the engine says that it has it."""
        image = self.find(upload.image_id)
        if image is None:
            raise ExportError(f"the Docker Engine took the image {upload.image_id}, but does not have it")
        self._name(image, names)
        return Written(
            image_id=image.id,
            changed=True,
            sent_bytes=upload.sent,
            size=image.size,
            diff_ids=tuple(upload.diff_ids),
        )

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        """See `ImageStore.read_layer`. The whole image is read once and kept on disk for further layers of it."""
        yield from self._saved_image(image).layer(diff_id)

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        """See `ImageStore.read_file`; 1 MiB at most. Makes a container that is never started, and removes it."""
        with engine.translating(f"reading {path} of the image {image.id}"):
            container = self._client.create_container(
                image.id, command=["/"], entrypoint=["/"], labels=self._labels, network_disabled=True
            )["Id"]
            try:
                return self._follow(container, path)
            finally:
                self._client.remove_container(container, force=True, v=True)

    def delete(self, image: StoredImage) -> None:
        """See `ImageStore.delete`."""
        try:
            with engine.translating(f"removing the image {image.id}"):
                self._client.remove_image(image.id, force=True)
        except engine.NotFound:
            return

    def close(self) -> None:
        """Free the disk space that `read_layer` took."""
        if self._saved is not None:
            self._saved[1].close()
            self._saved = None

    def _present(
        self, base: StoredImage, layers: Sequence[Layer], make_config: Callable[[Sequence[str]], bytes]
    ) -> StoredImage | None:
        """The image that is to be written, if all its layers' diff ids are known and the engine has it."""
        added = [layer.diff_id for layer in layers if layer.diff_id is not None]
        if len(added) < len(layers):
            return None
        # With containerd's image store ids are manifest digests, and this finds nothing.
        return self.find(sha256(make_config([*base.diff_ids, *added])))

    def _send(
        self,
        base: StoredImage,
        sources: Sequence[Source],
        make_config: Callable[[Sequence[str]], bytes],
        previous: StoredImage | None,
    ) -> Upload:
        from pybuild.stores import load

        held = 0 if self._is_containerd() else load.held_below(sources, base, previous)
        if held >= len(base.diff_ids):
            try:
                return self._load(load.Upload(sources, held, make_config))
            except load.LoadRefused:
                if held == 0:
                    raise
                # Most likely "invalid diffID": a layer that the engine had when we asked is gone.
        if base.diff_ids:
            saved = self._saved_image(base)
            sources = [source.filled_from(saved) for source in sources]
        return self._load(load.Upload(sources, 0, make_config))

    def _load(self, upload: Upload) -> Upload:
        """One POST /images/load. Whatever goes wrong while we make the archive counts, not what follows from it."""
        from pybuild.stores import load

        loaded = ""
        try:
            for message in self._client.load_image(upload.chunks(), quiet=False):
                if said := load.refusal(message):
                    raise load.load_failure(said)
                line = str(message.get("stream", "")).strip()
                if line.startswith(_LOADED) and is_digest(line.removeprefix(_LOADED)):
                    loaded = line.removeprefix(_LOADED)
        except Exception:
            if upload.failure is not None:
                raise upload.failure from None
            raise
        upload.image_id = loaded or upload.image_id
        return upload

    def _is_containerd(self) -> bool:
        """Whether the engine keeps images in containerd, which wants all layers in every load."""
        if self._info is None:
            self._info = self._client.info()
        status = self._info.get("DriverStatus") or ()
        return any("io.containerd.snapshotter.v1" in pair for pair in status)

    def _saved_image(self, image: StoredImage) -> SavedImage:
        if self._saved is None or self._saved[0] != image.id:
            self.close()
            self._saved = (image.id, self._save(image))
        return self._saved[1]

    def _save(self, image: StoredImage) -> SavedImage:
        from pybuild.stores.saved import SavedImage  # seldom needed

        try:
            with engine.translating(f"reading the image {image.id}"):
                return SavedImage(self._client.get_image(image.id))
        except EngineUnavailable:
            raise
        except PybuildError:
            if self.find(image.id) is not None:
                raise
            raise ExportError(
                f"the Docker Engine no longer has the image {image.names[0] if image.names else image.id}:"
                " somebody removed it since the build began",
                hint="build again",
            ) from None

    def _name(self, image: StoredImage, names: Iterable[Reference]) -> None:
        for name in names:
            if name.familiar not in image.names:
                with engine.translating(f"naming the image {name}"):
                    self._client.tag(image.id, name.familiar_repository, name.tag)

    def _follow(self, container: str, path: str) -> bytes | None:
        from pybuild.oci import tar

        for _ in range(_MOST_LINKS):
            try:
                with engine.translating(f"reading {path}"):
                    chunks, _stat = self._client.get_archive(container, path)
                    member, body = next(tar.read(chunks))
            except (engine.NotFound, StopIteration):
                return None
            if member.kind == tar.FILE:
                return body.read()
            if member.kind != tar.SYMLINK:
                return None
            target = member.linkname.decode(errors="surrogateescape")
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        return None


def _check_names(names: Iterable[Reference]) -> None:
    for name in names:
        if name.digest:
            raise InvalidReference(
                f"{name} cannot be given to an image: a digest is not chosen", hint="use a tag"
            )


def _stored(found: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> StoredImage:
    config = found.get("Config") or {}
    rootfs = found.get("RootFS") or {}
    diff_ids = tuple(rootfs.get("Layers") or ())
    if not all(map(is_digest, diff_ids)):
        raise InvalidArchive(f"the Docker Engine says the image {found['Id']} has the layers {diff_ids!r}")
    return StoredImage(
        id=str(found["Id"]),
        config={
            "architecture": found.get("Architecture", ""),
            "author": found.get("Author", ""),
            "created": found.get("Created") or "",
            # The engine lists the newest first and does not say which items have no layer.
            "history": [_history_item(item) for item in reversed(history)],
            "os": found.get("Os", ""),
            "rootfs": {"type": rootfs.get("Type", ""), "diff_ids": list(diff_ids)},
            "config": {key: config[key] for key in CONFIG_KEYS if config.get(key)},
            "os.version": found.get("OsVersion", ""),
            "variant": found.get("Variant", ""),
        },
        diff_ids=diff_ids,
        labels=config.get("Labels") or {},
        names=tuple(found.get("RepoTags") or ()),
        digest_names=tuple(found.get("RepoDigests") or ()),
        size=int(found.get("Size") or 0),
    )


def _history_item(item: Mapping[str, Any]) -> dict[str, Any]:
    try:
        created = datetime.fromtimestamp(item.get("Created") or 0, UTC)
    except (OverflowError, ValueError, OSError):
        created = datetime.fromtimestamp(0, UTC)
    return {
        "created": f"{created:%Y-%m-%dT%H:%M:%SZ}",
        "created_by": item.get("CreatedBy", ""),
        "comment": item.get("Comment", ""),
    }
