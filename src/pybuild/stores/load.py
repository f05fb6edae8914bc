"""The archive of one `docker load`, made while it is sent: contents first, then what is only known after them.

Specification: none; how the engine behaves: GO-35.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import DiskFull, ExportError, PybuildError
from pybuild.oci import tar
from pybuild.oci.digest import hashing, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pybuild.stores.api import Layer, StoredImage
    from pybuild.stores.saved import SavedImage


_MOST_SAID = 1000


class LoadRefused(ExportError):
    """The engine read an archive and would not make an image of it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A layer of the new image, bottom first. `open` None: one of the base's, which the engine should have."""

    diff_id: str | None
    size: int = 0
    open: Callable[[], Iterable[bytes]] | None = None

    def filled_from(self, saved: SavedImage) -> Source:
        """The same with content for a layer of the base."""
        if self.open is not None or self.diff_id is None:
            return self
        diff_id = self.diff_id
        return Source(diff_id, saved.size(diff_id), lambda: saved.layer(diff_id))


def source_of(layer: Layer) -> Source:
    """A layer that export wants in the image."""
    return Source(layer.diff_id, layer.size, layer.open)


def held_below(sources: Sequence[Source], base: StoredImage, previous: StoredImage | None) -> int:
    """How many layers, from the bottom, are also the lowest ones of an image that the engine has."""
    most = 0
    for image in (base, previous):
        if image is not None:
            count = 0
            for source, diff_id in zip(sources, image.diff_ids, strict=False):
                if source.diff_id != diff_id:
                    break
                count += 1
            most = max(most, count)
    return most


class Upload:
    """The archive of one load while it is made: contents first, then what could only be known after them.

    `image_id`, `diff_ids` and `sent` (bytes of layers) are complete once `chunks` is exhausted.
    """

    def __init__(
        self, sources: Sequence[Source], held: int, make_config: Callable[[Sequence[str]], bytes]
    ) -> None:
        self._sources = sources
        self._held = held
        self._make_config = make_config
        self.diff_ids: list[str] = []
        self.image_id = ""
        self.sent = 0
        self.failure: Exception | None = None

    def chunks(self) -> Iterator[bytes]:
        """The archive; remembers in `failure` why it broke off."""
        try:
            yield from tar.gather(self._parts())
        except Exception as exc:
            self.failure = exc
            raise

    def _parts(self) -> Iterator[bytes]:
        files = []
        for number, source in enumerate(self._sources):
            if number < self._held:
                files.append(f"blank_{number}")
                self.diff_ids.append(str(source.diff_id))
                yield _file(files[-1], 0)
            else:
                files.append(f"layer_{number}.tar")
                yield from self._layer(files[-1], source)
        config = self._make_config(tuple(self.diff_ids))
        self.image_id = sha256(config)
        config_file = f"{self.image_id.removeprefix('sha256:')}.json"
        # Without RepoTags: the names move when the image is there, not while it is being made.
        manifest = gojson.dumps([{"Config": config_file, "RepoTags": None, "Layers": files}]).encode()
        for name, content in ((config_file, config), ("manifest.json", manifest)):
            yield _file(name, len(content)) + content + tar.padding(len(content))
        yield tar.TRAILER

    def _layer(self, name: str, source: Source) -> Iterator[bytes]:
        if source.open is None:
            raise ExportError(f"the base's layer {source.diff_id} is needed in full")
        yield _file(name, source.size)
        content = hashing(source.open())
        yield from content
        if content.size != source.size or source.diff_id not in (None, content.digest):
            raise ExportError(
                f"a layer changed while it was being read: expected {source.size} bytes"
                f" with the digest {source.diff_id or 'to come'}, found {content.size} with {content.digest}",
                hint="a process of a buildpack may still write there: build again",
            )
        self.diff_ids.append(content.digest)
        self.sent += content.size
        yield tar.padding(content.size)


def _file(name: str, size: int) -> bytes:
    return tar.header(tar.TarEntry(name.encode(), tar.FILE, 0o644, 0, 0, size), mtime=0)


def refusal(message: Mapping[str, Any]) -> str:
    """What an item of the engine's JSON stream says went wrong; "" when nothing did.

    Failures come with status 200 inside the stream, or with status 500 as the one object `{"message": …}`.
    """
    detail = message.get("errorDetail")
    said = (detail.get("message") if isinstance(detail, dict) else None) or message.get("error")
    text = " ".join(str(said or message.get("message") or "").split())
    # The reason stands behind a path that may be long.
    return text if len(text) <= _MOST_SAID else f"{text[: _MOST_SAID // 2]}…{text[-_MOST_SAID // 2 :]}"


def load_failure(said: str) -> PybuildError:
    """What an engine's refusal is to our user."""
    if "no space left on device" in said:
        return DiskFull(
            "the Docker Engine has no space left on its disk for the image", hint="docker system prune"
        )
    if "max depth exceeded" in said:
        return ExportError(
            "the image has more layers than the Docker Engine takes, which is 125 with those of the base",
            hint="have buildpacks make fewer layers and the app fewer slices, or --publish it to a registry",
        )
    if said.endswith("file name too long"):
        path = said.partition("/diff/")[2].partition(": ")[0] or said
        return ExportError(
            f"the Docker Engine cannot keep /{path[:100]}…: with the engine's own folder before it,"
            " the path is longer than the 4095 bytes that Linux allows",
            hint="shorten it: 4000 bytes fit into an engine whose images are in /var/lib/docker",
        )
    return LoadRefused(f"the Docker Engine would not take the image: {said}")
