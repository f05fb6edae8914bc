"""The run image as image extensions left it: which layers they added, and the configuration that it has now.

The extender leaves it in a folder, `<extended>/run/<digest>/`, without the run image's own layers. The build user's
code may have written there since, so nothing in it is believed that a digest does not vouch for.

Specification: platform.md, "extender" and "exporter" on `<extended>`; GO-12, EXP-03.
"""

# Folders here are named by the platform.
# ruff: noqa: PTH208

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild.errors import ExportError, InvalidArchive, InvalidFile
from pybuild.lifecycle import sparse
from pybuild.lifecycle.content import spooled_layer
from pybuild.oci import tar
from pybuild.oci.tar_gnu import gnu_header
from pybuild.stores import compress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pybuild.stores.api import Layer, StoredImage

CREATED_BY = "Layer: '{what}', Created by extension: {id}"
"""What an app image's history says of an extension's layer (GO-33)."""

_PIECE = 1 << 20
_HINT = "run the extender with -kind run once more, into an empty folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedRunImage:
    """What extensions made of the run image. `layers`: those on top of it, bottom first.

    `config`: the object `config` of its configuration; None where the run image's own still holds. `held`: an image
    of the store that consists of the run image's layers and these; None where they have to be sent.
    """

    layers: tuple[Layer, ...]
    config: Mapping[str, Any] | None = None
    held: StoredImage | None = None

    def onto(self, run_image: StoredImage) -> Mapping[str, Any]:
        """The configuration that the app image's is made from: that of `run_image`, with what extensions set."""
        return run_image.config if self.config is None else {**run_image.config, "config": self.config}


def read_extended(folder: str, *, with_config: bool) -> ExtendedRunImage | None:
    """What the extender left in `folder`, `<extended>/run`; None where it left nothing.

    `with_config`: take over its configuration too. Raises `ExportError` for what is no such image.
    """
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not names:
        return None
    if len(names) > 1:
        raise ExportError(f"{folder} holds {len(names)} images; expected one", hint=_HINT)
    place = f"{folder}/{names[0]}"
    try:
        return _read(place, with_config=with_config)
    except (InvalidFile, InvalidArchive) as exc:
        raise ExportError(f"the extended run image in {place} cannot be used: {exc}", hint=_HINT) from exc
    except OSError as exc:
        raise ExportError(
            f"the extended run image in {place} cannot be read: {exc.filename}: {exc.strerror}", hint=_HINT
        ) from exc


def _read(place: str, *, with_config: bool) -> ExtendedRunImage:
    image = sparse.read(place)
    history = image.config.get("history") or ()
    made_by = [item.get("created_by", "") for item in history if not item.get("empty_layer")]
    made_by += [""] * (len(image.layers) - len(made_by))
    return ExtendedRunImage(
        layers=tuple(
            _layer(path, diff_id, created_by)
            for layer, diff_id, created_by in zip(image.layers, image.diff_ids, made_by, strict=False)
            if (path := sparse.blob_path(image, layer))
        ),
        config=image.config["config"] if with_config else None,
    )


def _layer(path: str, diff_id: str, created_by: str) -> Layer:
    """The layer whose blob, compressed or not, lies at `path`."""
    with sparse.opened(path) as file:
        chunks = iter(lambda: file.read(_PIECE), b"")
        return spooled_layer(normalized(compress.unpack(chunks, diff_id=diff_id)), created_by)


def normalized(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A layer's tar as the Go lifecycle writes it anew: entries as they are, with one time and no names of users.

    In GNU's format what was in it, all else in ustar or pax.
    """
    return tar.gather(_normalized(chunks))


def _normalized(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for member, body in tar.read(chunks):
        if member.form == "gnu":
            yield gnu_header(member)
        else:
            yield tar.header(member, pax=member.form == "pax")
        yield from body
        yield tar.padding(member.size)
    yield tar.TRAILER
