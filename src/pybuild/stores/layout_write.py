"""Writing into an image layout: blobs first, each in one step, the index last.

Specification: OCI image-spec, "Image Layout"; texts as the Go lifecycle's library writes them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pybuild.errors import ExportError, InvalidArchive, InvalidReference
from pybuild.events import detail
from pybuild.oci import model
from pybuild.oci.digest import sha256
from pybuild.stores.api import Written
from pybuild.stores.coming import PREFIX, Coming, locked, writing
from pybuild.stores.image_manifest import OCI_INDEX
from pybuild.stores.layout_index import FULL_NAME, INDEX_FILE, LAYOUT_FILE, REF_NAME, Entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pybuild.gojson import Struct
    from pybuild.oci.reference import Reference
    from pybuild.stores.assemble import Assembled
    from pybuild.stores.layout_index import LayoutIndex

LAYOUT_TEXT = b'{\n    "imageLayoutVersion": "1.0.0"\n}'


def named(done: Assembled, name: Reference) -> Entry:
    """The item of the index that gives the image this name: its tag for tools, and the whole name, as others do."""
    return entry(done, {FULL_NAME: name.name, REF_NAME: name.tag})


def entry(done: Assembled, annotations: Mapping[str, str]) -> Entry:
    """An item of the index for the image."""
    manifest = done.manifest
    value = {
        "mediaType": manifest.media_type,
        "size": len(done.text),
        "digest": manifest.digest,
        "annotations": dict(annotations),
    }
    return Entry(model.descriptor(value))


def index_text(entries: Sequence[Entry]) -> bytes:
    """The content of index.json."""
    value = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [entry.value for entry in entries],
    }
    return json.dumps(value, indent=3, ensure_ascii=False).encode()


def written(done: Assembled, *, changed: bool) -> Written:
    """What a store tells about a write."""
    return Written(
        image_id=done.manifest.digest,
        changed=changed,
        sent_bytes=done.sent,
        size=done.size,
        diff_ids=done.manifest.diff_ids,
        digest=done.manifest.digest,
        manifest_size=len(done.text),
        config_digest=sha256(done.config),
    )


def held_layers(index: LayoutIndex) -> dict[str, Struct]:
    """The layers of all images of a layout, by diff id. An image that is damaged has none."""
    found: dict[str, Struct] = {}
    for each in index.entries():
        try:
            found |= index.manifest(each).layers if each.is_image else {}
        except InvalidArchive as exc:
            detail(f"no layer of it is used again: {exc}")
    return found


def refuse_digests(names: Sequence[Reference]) -> None:
    """Raise `InvalidReference` for a name that has a digest."""
    for name in names:
        if name.digest:
            raise InvalidReference(
                f"{name} cannot be given to an image: a digest is not chosen", hint="use a tag"
            )


def make_layout(path: Path, index: LayoutIndex, *, alone: bool = True) -> None:
    """Have a layout be at `path`. Raises `ExportError` for a folder with something else in it, if it is to be `alone`.

    Otherwise a damaged index counts as an empty one.
    """
    if _is_sound(index):
        return
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        others = sorted(each.name for each in path.iterdir() if not each.name.startswith(PREFIX))
    if alone and not {LAYOUT_FILE, INDEX_FILE, "blobs"}.issuperset(others):
        raise ExportError(
            f"{path} is not empty and no OCI image layout: it has {', '.join(others[:5])}",
            hint="name a folder of its own, which need not exist",
        )
    with Coming(path) as coming, locked(path):
        # Somebody else may just have made it.
        if _is_sound(index):
            return
        if alone and index.exists():
            index.entries()
        coming.move(INDEX_FILE, index_text([]), path)
        coming.move(LAYOUT_FILE, LAYOUT_TEXT, path)


def _is_sound(index: LayoutIndex) -> bool:
    """Whether there is a layout whose index can be read."""
    if not index.exists():
        return False
    try:
        index.entries()
    except InvalidArchive as exc:
        detail(f"what is there is no whole layout: {exc}")
        return False
    return True


def settle(
    coming: Coming, path: Path, index: LayoutIndex, done: Assembled, names: Sequence[Reference]
) -> bool:
    """Put the blobs into their places, then the names into the index; whether anything changed."""
    place_blobs(coming, path, index, done)
    with locked(path):
        old = index.entries()
        others = [each for each in old if not any(each.is_called(name) for name in names)]
        return place_index(coming, path, old, [*others, *(named(done, name) for name in names)])


def place_blobs(coming: Coming, path: Path, index: LayoutIndex, done: Assembled) -> None:
    """Have the layout hold what the image is made of. Layers that are missing where they are from stay so."""
    folder = path / "blobs" / "sha256"
    for each in (path / "blobs", folder):
        if each.is_symlink():
            raise ExportError(f"{each} is a link: nothing is written through it", hint=f"rm {each}")
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
    for digest, size in ((layer["digest"], layer["size"]) for layer in done.layers):
        if index.holds(digest, size):
            continue
        source = done.held.get(digest)
        if source is not None and source.holds(digest, size):
            coming.add(source.blob(digest, size))
        if (blob := coming.blobs.get(digest)) is not None:
            coming.move(_file(digest), blob, folder)
    for text in (done.config, done.text):
        if not index.holds(sha256(text), len(text)):
            coming.move(_file(sha256(text)), text, folder)


def place_index(coming: Coming, path: Path, old: Sequence[Entry], new: Sequence[Entry]) -> bool:
    """Let the index hold the entries `new`; whether that changed it. To be called with the layout locked."""
    if sorted(map(_key, old)) == sorted(map(_key, new)):
        return False
    coming.move(INDEX_FILE, index_text(new), path)
    return True


def _key(each: Entry) -> str:
    value: dict[str, Any] = each.value
    return json.dumps(value, sort_keys=True)


def _file(digest: str) -> str:
    return digest.removeprefix("sha256:")
