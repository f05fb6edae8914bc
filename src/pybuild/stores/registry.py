"""Images in a registry: looked up without their layers, written by sending what it lacks, the manifests last.

A layer that the previous image has keeps its descriptor: it is neither read nor compressed again. While one
layer is read and compressed, those before it are already on their way.

Specification: platform.md, "exporter"; OCI distribution-spec. Manifests: byte-identity with the Go lifecycle.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from pybuild.errors import ExportError, InvalidArchive, InvalidReference, RegistryError
from pybuild.events import detail, warn
from pybuild.gojson import Struct
from pybuild.oci import model
from pybuild.oci.digest import is_digest
from pybuild.oci.reference import DOCKER_HUB, REGISTRY, Reference
from pybuild.stores import blobs, compress, manifests
from pybuild.stores.api import Layer, StoredImage
from pybuild.stores.blobs import Place
from pybuild.stores.exchange import Patience
from pybuild.stores.image_manifest import Manifest, Platform
from pybuild.stores.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pybuild.stores.api import ImageStore, Written
    from pybuild.stores.keychain import Keychain

_NOTHING = StoredImage(id="", config={}, diff_ids=(), labels={})
_EMPTY = Manifest(
    digest="",
    media_type=model.OCI_MANIFEST,
    value=Struct(layers=None),
    config=Struct(),
    diff_ids=(),
)


class RegistryStore:
    """The images of registries. `insecure`: those (`host[:port]`) that may be spoken to without checked TLS.

    `platform`: which image of an index is meant. `lender`: another store that has the images named in `lent`; one of
    them may be the base of what is written here, and its layers are sent like new ones. `mirrors`: tells the URLs of registries
    that have what Docker Hub has and are asked first; called when an image of Docker Hub is looked for. `annotations`: for
    the manifest of what `write` writes.
    """

    def __init__(
        self,
        keychain: Keychain,
        *,
        environ: Mapping[str, str] | None = None,
        insecure: Collection[str] = (),
        platform: Platform | None = None,
        patience: Patience | None = None,
        lender: ImageStore | None = None,
        lent: Collection[Reference] = (),
        mirrors: Callable[[], Sequence[str]] = tuple,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        self._keychain = keychain
        self._environ = os.environ if environ is None else environ
        self._insecure = frozenset(insecure)
        self._platform = platform or Platform()
        self._patience = patience or Patience()
        self._lender = lender
        self._lent = frozenset(lent)
        self._mirrors = mirrors
        self._annotations = annotations or {}
        self._transports: dict[str, Transport] = {}
        self._known: dict[str, tuple[Place, Manifest]] = {}

    def lending(
        self, platform: Platform, lender: ImageStore | None, lent: Collection[Reference]
    ) -> RegistryStore:
        """The same store for another platform and lender; connections and what is known are shared."""
        other = RegistryStore(
            self._keychain,
            environ=self._environ,
            insecure=self._insecure,
            platform=platform,
            patience=self._patience,
            lender=lender,
            lent=lent,
            mirrors=self._mirrors,
            annotations=self._annotations,
        )
        other._transports, other._known = self._transports, self._known
        return other

    def find(self, name: Reference | str) -> StoredImage | None:
        """The image of that name; None when the registry has none. Of an index, the image for our platform.

        A bare digest finds only what this store found or wrote before.
        """
        if isinstance(name, str) and is_digest(name):
            known = next((key for key in self._known if key.endswith(name)), None)
            if known is None:
                return None
            name = known
        ref = name if isinstance(name, Reference) else Reference.parse(name)
        if self._lender is not None and ref in self._lent:
            return self._lender.find(ref)
        found = self._mirrored(ref) or self._found(self.place(ref), ref)
        if found is None:
            return None
        manifest = found[1]
        key = _by_digest(self.place(ref), manifest.digest)
        self._known[key] = found
        return StoredImage(
            id=manifest.digest,
            config=manifest.config,
            diff_ids=manifest.diff_ids,
            labels=manifest.config["config"].get("Labels", {}),
            names=(ref.familiar,) if ref.tag else (),
            digest_names=(f"{ref.familiar_repository}@{manifest.digest}",),
            size=sum(layer["size"] for layer in manifest.value["layers"] or ()),
            reference=key,
            config_digest=manifest.value["config"]["digest"],
        )

    def _found(self, place: Place, ref: Reference) -> tuple[Place, Manifest] | None:
        manifest = manifests.find(place, ref.digest or ref.tag, self._platform)
        return (place, manifest) if manifest else None

    def _mirrored(self, ref: Reference) -> tuple[Place, Manifest] | None:
        """The image of Docker Hub as the first mirror has it that has it."""
        for url in self._mirrors() if ref.registry == DOCKER_HUB else ():
            scheme, _, host = url.rstrip("/").rpartition("://")
            if REGISTRY.fullmatch(host) is None:
                warn(f"{url[:200]!r} is no registry's URL, so it is no mirror")
                continue
            place = Place(
                transport=self._transport(host, insecure=scheme == "http"), repository=ref.repository
            )
            try:
                found = self._found(place, ref)
            except (RegistryError, InvalidArchive) as exc:
                detail(f"the mirror {host} is of no use for {ref}: {exc}")
                continue
            if found is not None:
                return found
        return None

    def write(
        self,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        names: Sequence[Reference],
        previous: StoredImage | None,
    ) -> Written:
        """See `ImageStore.write`. All names must be of one registry. `sent_bytes`: of layers, compressed."""
        from pybuild.stores.push import Missing, Push  # who only looks needs neither that nor what it imports

        _check_names(names)
        old = self._known.get(previous.reference) if previous else None
        job = partial(
            Push,
            base=base,
            names=names,
            place=self.place,
            base_held=self._known.get(base.reference),
            lender=self._lender,
            annotations=self._annotations,
        )
        try:
            written, manifest = job(previous=old).carry_out(layers, make_config)
            if old is None and not written.changed:
                # The name is this very image, and yet nobody could read it: its parts may be damaged.
                raise Missing(f"{names[0]} could not be read before")
        except Missing as exc:
            detail(f"{exc}; every layer is looked at anew")
            written, manifest = job(previous=None, doubt=True).carry_out(layers, make_config)
        place = self.place(names[0])
        self._known[_by_digest(place, manifest.digest)] = (place, manifest)
        return written

    def write_alone(
        self,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        name: Reference,
        previous: StoredImage | None,
        *,
        distrusted: Collection[str] = (),
        doubt: bool = False,
    ) -> Written:
        """Write an OCI image that stands on no other. A layer that any image seen here has on that registry is not read.

        Layers of `previous` are looked for; those `distrusted` (diff ids) are made anew. `doubt`: what is there
        may be damaged, so the image is written in any case.
        """
        from pybuild.stores.push import Missing, Push

        _check_names([name])
        job = partial(
            Push,
            base=_NOTHING,
            names=[name],
            place=self.place,
            base_held=(self.place(name), _EMPTY),
            lender=None,
            layer_type=model.OCI_LAYER,
        )
        old = self._known.get(previous.reference) if previous else None
        near = [held for held in self._known.values() if held[0].registry == name.registry]
        wanted = {layer.diff_id for layer in layers}
        lost = {diff_id for diff_id in _lost(old) if diff_id in wanted}
        distrusted = {*distrusted, *lost}
        try:
            written, _ = job(previous=old, others=near, distrusted=distrusted, doubt=doubt).carry_out(
                layers, make_config
            )
        except Missing as exc:
            detail(f"{exc}; every layer is looked at anew")
            written, _ = job(previous=None, distrusted=distrusted, doubt=True).carry_out(layers, make_config)
        return written

    def restack(
        self,
        image: StoredImage,
        base: StoredImage,
        kept: Sequence[str],
        config: bytes,
        names: Sequence[Reference],
    ) -> Written:
        """See `RebasingStore.restack`. Layers keep their descriptors; a base that only the lender has is sent."""
        from pybuild.stores.push import Missing, Push

        _check_names(names)
        if image.reference not in self._known:
            raise InvalidArchive(f"the image {image.id} is not of this registry")
        job = partial(
            Push,
            base=base,
            names=names,
            place=self.place,
            base_held=self._known.get(base.reference),
            previous=self._known[image.reference],
            lender=self._lender,
            rebasing=True,
        )
        own = [Layer(diff_id=diff_id, size=0, open=_unread, created_by="") for diff_id in kept]
        try:
            written, manifest = job().carry_out(own, lambda _: config)
        except Missing as exc:
            detail(f"{exc}; every layer is looked at anew")
            written, manifest = job(doubt=True).carry_out(own, lambda _: config)
        place = self.place(names[0])
        self._known[_by_digest(place, manifest.digest)] = (place, manifest)
        return written

    def tagged(self, name: Reference) -> str:
        """The digest that a tag has now, of an image or of an index; "" for none."""
        return manifests.digest_of(self.place(name), name.digest or name.tag)

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        """See `ImageStore.read_layer`. The blob's digest is checked, too."""
        if image.reference not in self._known:
            if self._lender is None:
                raise InvalidArchive(f"the image {image.id} is not of this registry")
            yield from self._lender.read_layer(image, diff_id)
            return
        place, manifest = self._known[image.reference]
        layer = manifest.layers.get(diff_id)
        if layer is None:
            raise InvalidArchive(f"the image {image.reference} has no layer {diff_id}")
        yield from compress.unpack(blobs.read(place, layer["digest"], layer["size"]), diff_id=diff_id)

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        """See `ImageStore.read_file`; 1 MiB at most. Reads layers from the top until it is found."""
        from pybuild.stores import peek

        return peek.read_file(image.diff_ids, partial(self.read_layer, image), path)

    def delete(self, image: StoredImage) -> None:
        """See `ImageStore.delete`. Raises `RegistryError` where the registry keeps everything for ever."""
        if image.reference in self._known:
            place, _ = self._known.pop(image.reference)
            place.transport.ask(
                "DELETE",
                f"{place.path}/manifests/{image.id}",
                scopes=(f"repository:{place.repository}:pull,push,delete",),
                expect=(200, 202, 404),
            )

    def check_push(self, names: Sequence[Reference]) -> None:
        """Raise `RegistryDenied` if this user may not write one of these repositories (F-11)."""
        _check_names(names)
        for name in {name.repository: name for name in names}.values():
            blobs.may_push(self.place(name))

    def close(self) -> None:
        """End all connections."""
        for transport in self._transports.values():
            transport.close()

    def place(self, name: Reference) -> Place:
        """The repository of that name, for what is no image: indexes, attachments."""
        return Place(transport=self._transport(name.registry), repository=name.repository)

    def _transport(self, registry: str, *, insecure: bool = False) -> Transport:
        transport = self._transports.get(registry)
        if transport is None:
            transport = self._transports[registry] = Transport(
                registry=registry,
                keychain=self._keychain,
                environ=self._environ,
                insecure=insecure or registry in self._insecure,
                patience=self._patience,
            )
        return transport


def _lost(held: tuple[Place, Manifest] | None) -> Iterator[str]:
    """Diff ids of the image's layers that its repository lacks."""
    if held is not None:
        place, manifest = held
        for diff_id, layer in manifest.layers.items():
            if not blobs.exists(place, layer["digest"]):
                yield diff_id


def _by_digest(place: Place, digest: str) -> str:
    """The name that is this image for ever, as the Go lifecycle writes it."""
    host = "index.docker.io" if place.registry == DOCKER_HUB else place.registry
    return f"{host}/{place.repository}@{digest}"


def _unread() -> Iterator[bytes]:
    raise ExportError("a layer that the registry has was to be read")


def _check_names(names: Sequence[Reference]) -> None:
    for name in names:
        if name.digest:
            raise InvalidReference(
                f"{name} cannot be given to an image: a digest is not chosen", hint="use a tag"
            )
        if name.registry != names[0].registry:
            raise InvalidReference(
                f"{name} is not on the registry of {names[0]}, {names[0].registry}",
                hint="all names of one published image must be on one registry",
            )
