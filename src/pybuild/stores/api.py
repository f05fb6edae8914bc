"""What a place where images live can do, and the values that go in and come out.

A store finds images, writes a new one on top of a base without moving bytes it has already, and gives back
the bytes of single layers. Names move last: until a write has wholly succeeded, nothing that existed changes.

Specification: platform.md, "Outputs of the exporter"; OCI image-spec, "Image Configuration".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pybuild.errors import ExportError, PybuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pybuild.oci.reference import Reference
    from pybuild.spec.cache import CacheMetadata
    from pybuild.stores.compress import Packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer to add. `size`: bytes of its uncompressed tar, known before it is read; 0 if it is not, which registries,
    layouts and archives take.

    `diff_id` is None while nobody knows it: the store then learns it as the content passes. A given one is
    checked. `open` is called at most once per attempt to send, and only if the store lacks the content; it
    gives the tar in chunks, `size` bytes in all. `packed`: where several stores are written, it gives the layer
    compressed, which is done once for all of them.
    """

    diff_id: str | None
    size: int
    open: Callable[[], Iterable[bytes]]
    created_by: str
    packed: Callable[[], Packed] | None = None

    def check(self, diff_id: str, size: int) -> None:
        """Raise `ExportError` unless this is what has been read of it."""
        if self.diff_id not in (None, diff_id) or self.size not in (0, size):
            raise ExportError(
                f"the layer {self.created_by!r} changed while it was being read: expected {self.size} bytes with"
                f" {self.diff_id or 'any digest'}, found {size} with {diff_id}",
                hint="a process of a buildpack may still write there: build again",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image that a store holds.

    `id`: what the store calls it: the configuration's digest in a daemon, the manifest's in a registry.
    `config`: its configuration file as far as the store shows it (keys of the OCI image-spec), history included.
    `names`: every tag that points at it. `digest_names`: `name@sha256:…` known for it. `size`: bytes, 0 unknown.
    `reference`: in a registry, the complete name by which it can be found for ever; "" elsewhere.
    `config_digest`: of its configuration file, where the store knows it besides the id; "" elsewhere.
    """

    id: str
    config: Mapping[str, object]
    diff_ids: tuple[str, ...]
    labels: Mapping[str, str]
    names: tuple[str, ...] = ()
    digest_names: tuple[str, ...] = ()
    size: int = 0
    reference: str = ""
    config_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a write did. `sent_bytes`: layer content sent. `changed` False: the image was there already.

    `digest`, `manifest_size` (bytes): of the manifest, where there is one. `size`: of its layers as the store keeps
    them. `config_digest`: of the configuration, by which engines will know the image; "" where `image_id` is that.
    `copies`: what became of further places, where one write goes to several.
    """

    image_id: str
    changed: bool
    sent_bytes: int
    size: int
    diff_ids: tuple[str, ...]
    digest: str = ""
    manifest_size: int = 0
    config_digest: str = ""
    copies: tuple[Copied, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What became of a further place for an image: either `written` or `failure` is there."""

    where: str
    names: tuple[str, ...]
    written: Written | None = None
    failure: PybuildError | None = None


class ImageReader(Protocol):
    """A place where images can be looked at. Every method raises `PybuildError` for one that fails."""

    def find(self, name: Reference | str) -> StoredImage | None:
        """The image of that name or id; None when there is none."""
        ...

    def read_layer(self, image: StoredImage, diff_id: str) -> Iterator[bytes]:
        """The uncompressed tar of one layer, checked against its diff id when it has been read to the end."""
        ...

    def read_file(self, image: StoredImage, path: str) -> bytes | None:
        """A small file of the image's root file system, links in it followed; None when there is none."""
        ...


class ImageStore(ImageReader, Protocol):
    """A place where images live. Every method raises `PybuildError` for a store that fails or cannot be reached."""

    def write(
        self,
        base: StoredImage,
        layers: Sequence[Layer],
        make_config: Callable[[Sequence[str]], bytes],
        names: Sequence[Reference],
        previous: StoredImage | None,
    ) -> Written:
        """Write one image: the layers of `base`, then `layers`; give it all `names` once it is complete.

        `make_config` gets the diff ids of all layers, bottom first, as soon as they are known, and returns the
        configuration file's bytes. `previous`: an older image whose layers may serve again.
        """
        ...

    def delete(self, image: StoredImage) -> None:
        """Remove the image with all of its names. A missing one is no error."""
        ...


@runtime_checkable
class RebasingStore(ImageStore, Protocol):
    """A place that can put an image's own layers on another base."""

    def restack(
        self,
        image: StoredImage,
        base: StoredImage,
        kept: Sequence[str],
        config: bytes,
        names: Sequence[Reference],
    ) -> Written:
        """Write one image: the layers of `base`, then those of `image` that `kept` names, lowest first.

        `config`: its configuration file. Of what the store has in that order already nothing is read or sent.
        """
        ...


class OpenStore(ImageStore, Protocol):
    """A store that holds something of this machine while it is in use: connections, files."""

    def close(self) -> None:
        """Free it."""
        ...


class UnusableLayer(PybuildError):
    """A cache does not have a layer, or not the one that its name says."""


class LayerCache(Protocol):
    """A place where the cached layers of one app are kept between builds, as tars that are known by their diff ids.

    It may have been in other hands: what it says of a layer is worth no more than the layer's digest proves.
    """

    def metadata(self) -> CacheMetadata:
        """What the kept layers are. An empty one, if there is none or it cannot be read: a cache may be lost."""
        ...

    def read(self, diff_id: str) -> Iterator[bytes]:
        """The uncompressed tar of one layer. `UnusableLayer`, at the latest at its end, if it is not that one."""
        ...

    def write(
        self, layers: Sequence[Layer], describe: Callable[[Sequence[str]], CacheMetadata]
    ) -> Sequence[str]:
        """Let these layers take the place of those that were kept; return their diff ids, in order.

        `describe` makes the metadata of these. Raises `OSError` or `PybuildError` with the cache as it was.
        """
        ...
