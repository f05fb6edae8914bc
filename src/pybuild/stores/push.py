"""One image into a registry: what it lacks, blobs first, manifests last.

A layer of the base or of the previous image keeps its descriptor. Any other is compressed into a temporary file
and on its way while the next one is read.

Specification: OCI distribution-spec, "Pushing manifests"; image-spec, "Image Manifest". Form: as the Go lifecycle's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import ExportError, RegistryDenied, RegistryError
from pybuild.events import info
from pybuild.gojson import Struct
from pybuild.oci import model
from pybuild.oci.digest import sha256
from pybuild.stores import blobs, compress, manifests
from pybuild.stores.api import StoredImage, Written
from pybuild.stores.assemble import as_oci
from pybuild.stores.blobs import Blob, Bytes, Remote
from pybuild.stores.exchange import Refused
from pybuild.stores.image_manifest import Manifest
from pybuild.stores.senders import Senders

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from pybuild.oci.reference import Reference
    from pybuild.stores.api import ImageStore, Layer
    from pybuild.stores.blobs import Place, Source
    from pybuild.stores.compress import Packed

_CONFIG_TYPES = {model.DOCKER_MANIFEST: model.DOCKER_CONFIG, model.OCI_MANIFEST: model.OCI_CONFIG}
_UNKNOWN = (400, 404)
"""How registries answer a manifest that names a blob which they do not have."""


class Missing(RegistryError):
    """The registry lacks a blob that an image of its own should have."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """A source whose bytes are seen as they pass."""

    source: Source
    senders: Senders

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        return self.senders.counted(self.source.pieces(start))


class Push:
    """One write. `base_held`, `previous`, `others`: images of registries, whose layers may serve; `lender`: has the base else.

    `layer_type`: media type of new layers; Docker's also in an OCI manifest, for so does the Go lifecycle, and the digest is
    of these bytes. `distrusted`: diff ids that no image is believed to have. `doubt`: even what images of the repository
    have is looked for there, and the manifest is written in any case. `rebasing`: the manifest is made from nothing, of
    Docker's kind whatever the base's is, and the base's layers are described as the base does (GO-79).
    `annotations`: for the manifest, beside the base's; with any it is OCI's, since Docker's has none.
    """

    def __init__(
        self,
        *,
        base: StoredImage,
        names: Sequence[Reference],
        place: Callable[[Reference], Place],
        base_held: tuple[Place, Manifest] | None,
        previous: tuple[Place, Manifest] | None,
        lender: ImageStore | None,
        others: Iterable[tuple[Place, Manifest]] = (),
        layer_type: str = model.DOCKER_LAYER,
        distrusted: Collection[str] = (),
        doubt: bool = False,
        rebasing: bool = False,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        self._base, self._names, self._place = base, names, place
        self._base_manifest = base_held[1] if base_held and not rebasing else None
        self._lender = lender
        self._layer_type = layer_type
        self._doubt = doubt
        self._annotations = annotations or {}
        self._target = place(names[0])
        self._senders = Senders(f"Pushing {names[0]}")
        self._reusable: dict[str, tuple[Struct, Place]] = {}
        for held in (*others, base_held, previous):
            if held is not None:
                self._reusable |= {
                    diff_id: (layer, held[0])
                    for diff_id, layer in held[1].layers.items()
                    if diff_id not in distrusted
                }
        if rebasing and base_held is not None:
            for diff_id, layer in base_held[1].layers.items():
                if self._reusable[diff_id][0] != layer:
                    self._reusable[diff_id] = (layer, base_held[0])
        self._layers: dict[str, Struct] = {}
        self._order: list[str] = []
        self._blobs: dict[str, Blob] = {}
        self._here: set[str] = set()

    def carry_out(
        self, layers: Sequence[Layer], make_config: Callable[[Sequence[str]], bytes]
    ) -> tuple[Written, Manifest]:
        """Do it. Until the last step no name changes. Raises `Missing` if it is worth trying again with `doubt`."""
        with self._senders:
            for diff_id in self._base.diff_ids:
                self._add_base(diff_id)
            for layer in layers:
                self._add(layer)
            config = make_config(tuple(self._order))
            text, manifest = self._manifest(config)
            pending = [
                name for name in self._names if self._doubt or self._digest_of(name) != manifest.digest
            ]
            if pending:
                self._complete(pending, config)
            self._senders.wait()
            self._publish(pending, manifest, text)
        written = Written(
            image_id=manifest.digest,
            changed=bool(pending),
            sent_bytes=self._senders.sent,
            size=sum(self._layers[diff_id]["size"] for diff_id in self._order),
            diff_ids=tuple(self._order),
            digest=manifest.digest,
            manifest_size=len(text),
            config_digest=sha256(config),
        )
        return written, manifest

    def _add_base(self, diff_id: str) -> None:
        if diff_id in self._reusable:
            self._reuse(diff_id)
        elif self._lender is not None:
            self._compress(self._lender.read_layer(self._base, diff_id), diff_id, None, "the run image")
        else:
            raise ExportError(f"the run image {self._base.id} is in no registry that pybuild has looked at")

    def _add(self, layer: Layer) -> None:
        if layer.diff_id is not None and layer.diff_id in self._reusable:
            self._reuse(layer.diff_id)
        elif layer.packed is not None:
            self._take(layer.packed(), layer.diff_id, layer.size or None, layer.created_by)
        else:
            self._compress(layer.open(), layer.diff_id, layer.size or None, layer.created_by)

    def _reuse(self, diff_id: str) -> None:
        layer, place = self._reusable[diff_id]
        self._order.append(diff_id)
        self._layers[diff_id] = layer
        digest, size = layer["digest"], layer["size"]
        remote = Remote(place=place, digest=digest, size=size)
        self._blobs.setdefault(digest, Blob(digest=digest, size=size, source=remote, held=place))

    def _compress(self, chunks: Iterable[bytes], diff_id: str | None, size: int | None, words: str) -> None:
        self._take(compress.pack(chunks), diff_id, size, words)

    def _take(self, packed: Packed, diff_id: str | None, size: int | None, words: str) -> None:
        if diff_id not in (None, packed.diff_id) or size not in (None, packed.tar_size):
            raise ExportError(
                f"the layer {words!r} changed while it was being read: expected {size} bytes with"
                f" {diff_id or 'any digest'}, found {packed.tar_size} with {packed.diff_id}",
                hint="a process of a buildpack may still write there: build again",
            )
        if packed.diff_id in self._reusable:
            self._reuse(packed.diff_id)
            return
        self._order.append(packed.diff_id)
        self._layers[packed.diff_id] = Struct(
            mediaType=self._layer_type,
            size=packed.size,
            digest=packed.digest,
        )
        blob = Blob(digest=packed.digest, size=packed.size, source=packed)
        if blob.digest not in self._blobs:
            self._blobs[blob.digest] = blob
            self._send(self._target, blob)

    def _send(self, place: Place, blob: Blob, *, count: bool = True) -> None:
        self._here.add(f"{place.repository} {blob.digest}")
        counted = replace(blob, source=_Counted(blob.source, self._senders)) if count else blob

        def work() -> int:
            if _is_at(blob, place) and not blobs.exists(place, blob.digest):
                raise RegistryError(
                    f"{place.registry} has lost {blob.digest}, a layer of {place.repository}, which is nowhere else",
                    hint="build the app again",
                )
            try:
                sent = blobs.ensure(place, counted)
            except Refused as exc:
                if blob.held is None or exc.status != 404:
                    raise
                raise Missing(f"{place.registry} has lost {blob.digest}: {exc}") from exc
            return sent if count else 0

        self._senders.total += blob.size
        self._senders.submit(work)

    def _manifest(self, config: bytes) -> tuple[bytes, Manifest]:
        """The manifest's text and value. The base decides of which kind it is, unless it gets annotations; its own stay."""
        base = self._base_manifest
        media_type = base.media_type if base else model.DOCKER_MANIFEST
        layers = [self._layers[diff_id] for diff_id in self._order]
        annotations = base.value.get("annotations") if base else None
        if self._annotations:
            media_type = model.OCI_MANIFEST
            layers = [as_oci(layer) for layer in layers]
            annotations = {**(annotations or {}), **self._annotations}
        value: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": Struct(mediaType=_CONFIG_TYPES[media_type], size=len(config), digest=sha256(config)),
            "layers": layers,
            "annotations": annotations,
        }
        text = model.encode_manifest(value)
        return text, Manifest(
            digest=sha256(text),
            media_type=media_type,
            value=model.manifest(value),
            config=model.config_file(gojson.loads(config, where="image configuration")),
            diff_ids=tuple(self._order),
        )

    def _digest_of(self, name: Reference) -> str:
        return manifests.digest_of(self._place(name), name.tag) if name.tag else ""

    def _complete(self, pending: Sequence[Reference], config: bytes) -> None:
        """Have every repository hold every blob; those of the first are on their way already."""
        described = Blob(digest=sha256(config), size=len(config), source=Bytes(config))
        places = {name.repository: self._place(name) for name in pending}
        first = places.pop(self._target.repository, None)
        if first is not None or places:
            self._fill(self._target, described)
        if places:
            self._senders.wait()
            self._blobs = {digest: replace(blob, held=self._target) for digest, blob in self._blobs.items()}
        for place in places.values():
            self._fill(place, described)

    def _fill(self, place: Place, config: Blob) -> None:
        for blob in self._blobs.values():
            known = _is_at(blob, place)
            if f"{place.repository} {blob.digest}" not in self._here and (self._doubt or not known):
                self._send(place, blob)
        self._send(place, config, count=False)

    def _publish(self, pending: Sequence[Reference], manifest: Manifest, text: bytes) -> None:
        """Give the image its names. One that fails does not keep the others from it (GO-81, F-15)."""
        done: list[str] = []
        failed: list[tuple[str, RegistryError]] = []
        for name in pending:
            try:
                self._put(name, manifest, text)
                done.append(str(name))
            except Missing:
                raise
            except RegistryError as exc:
                failed.append((str(name), exc))
        if not failed:
            return
        others = [str(name) for name in self._names if name not in pending]
        written = ", ".join([*others, *done]) or "none"
        which = "; ".join(f"{name}: {exc}" for name, exc in failed)
        kind = RegistryDenied if isinstance(failed[0][1], RegistryDenied) else RegistryError
        raise kind(
            f"the image has not got all of its names: {which} (names that are the new image now: {written})",
            hint=failed[0][1].hint,
        )

    def _put(self, name: Reference, manifest: Manifest, text: bytes) -> None:
        place = self._place(name)
        try:
            answer = place.transport.ask(
                "PUT",
                # Without a tag it is only to be found by its digest: part of an index.
                f"{place.path}/manifests/{name.tag or manifest.digest}",
                scopes=place.push,
                headers={"Content-Type": manifest.media_type},
                body=text,
                expect=(200, 201),
            )
        except Refused as exc:
            if exc.status in _UNKNOWN and not self._doubt:
                raise Missing(str(exc)) from exc
            raise
        said = answer.headers.get("docker-content-digest", manifest.digest)
        if said != manifest.digest:
            raise RegistryError(
                f"{name.registry} took the manifest of {name} as {said[:80]!r}, not {manifest.digest}"
            )
        info(f"Pushed {name}@{manifest.digest}")


def _is_at(blob: Blob, place: Place) -> bool:
    """Whether the repository should have it already."""
    held = blob.held
    return held is not None and (held.registry, held.repository) == (place.registry, place.repository)
