"""Indexes that a user puts together: kept in a folder of this machine until they are pushed.

Each has a folder with `index.json`, the index itself, and `sources.json`: from an image's digest to the repository
that it was found in, so that a push to another one can copy it there.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pybuild.errors import InvalidInput, PybuildError
from pybuild.oci.index import FORMATS, Index
from pybuild.oci.reference import Reference
from pybuild.platform.caches import state_folder
from pybuild.stores.state import read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pybuild.stores.blobs import Place
    from pybuild.stores.registry import RegistryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestList:
    """An index under a name, and where its images were found."""

    name: Reference
    index: Index = field(default_factory=Index)
    sources: Mapping[str, str] = field(default_factory=dict)


class Lists:
    """The lists of this machine, below `folder`; `environ` and `insecure`: for registries, as `RegistryStore` has them."""

    def __init__(
        self, *, environ: Mapping[str, str], insecure: Sequence[str] = (), folder: Path | None = None
    ) -> None:
        self._folder = folder or state_folder() / "manifests"
        self._environ = environ
        self._insecure = insecure

    def create(self, name: str, images: Sequence[str], *, form: str, publish: bool) -> str:
        """Make a list of these images; with `publish` push it instead of keeping it. Returns its digest, "" if kept.

        Raises `InvalidInput` if there is one of that name.
        """
        ref = _named(name)
        with self._locked(), closing(self._registries()) as registries:
            if self._path(ref).exists():
                raise InvalidInput(
                    f"there is a manifest list {ref} already", hint=f"pybuild manifest remove {ref}"
                )
            made = ManifestList(name=ref, index=Index(media_type=FORMATS[form]))
            for image in images:
                made = _with_image(made, image, registries)
            if publish:
                return _push(made, registries)
            self._save(made)
        return ""

    def add(self, name: str, image: str) -> None:
        """Add an image, or all of an index."""
        with self._locked(), closing(self._registries()) as registries:
            self._save(_with_image(self.load(name), image, registries))

    def annotate(
        self, name: str, image: str, *, platform: Mapping[str, str], annotations: Mapping[str, str]
    ) -> None:
        """Say more of an image of the list. `platform`: the keys os, architecture and variant."""
        with self._locked(), closing(self._registries()) as registries:
            known = self.load(name)
            digest = _digest(image, registries)
            index = known.index.annotated(digest, platform=platform, annotations=annotations)
            self._save(replace(known, index=index))

    def take_out(self, name: str, images: Sequence[str]) -> None:
        """Take images out of a list, by digest or by name. Nothing changes if one is not there."""
        with self._locked(), closing(self._registries()) as registries:
            known = self.load(name)
            index = known.index
            for image in images:
                index = index.without(_digest(image, registries))
            self._save(replace(known, index=index))

    def push(self, name: str, *, form: str | None, purge: bool) -> str:
        """Push a list with its images; forget it with `purge`. Returns the digest."""
        with self._locked(), closing(self._registries()) as registries:
            known = self.load(name)
            if form is not None:
                known = replace(known, index=replace(known.index, media_type=FORMATS[form]))
            digest = _push(known, registries)
            if purge:
                shutil.rmtree(self._path(known.name))
        return digest

    def remove(self, names: Sequence[str]) -> None:
        """Forget lists. Nothing is forgotten if one is unknown."""
        with self._locked():
            for known in [self.load(name) for name in names]:
                shutil.rmtree(self._path(known.name))

    def load(self, name: str) -> ManifestList:
        """The list of that name. Raises `InvalidInput` if there is none."""
        ref = _named(name)
        path = self._path(ref)
        text = read_state(path / "index.json", limit=4 << 20)
        if text is None:
            raise InvalidInput(
                f"there is no manifest list {ref} on this machine",
                hint=f"pybuild manifest create {ref} IMAGE…",
            )
        sources = read_state(path / "sources.json", limit=4 << 20)
        try:
            found = json.loads(sources or b"{}")
        except (ValueError, RecursionError):
            found = {}
        known = found if isinstance(found, dict) else {}
        return ManifestList(
            name=ref,
            index=Index.read(text, str(path / "index.json")),
            sources={digest: where for digest, where in known.items() if isinstance(where, str)},
        )

    def _save(self, known: ManifestList) -> None:
        path = self._path(known.name)
        try:
            write_state(path / "sources.json", json.dumps(dict(known.sources)).encode())
            write_state(path / "index.json", known.index.write())
        except OSError as exc:
            raise PybuildError(f"the manifest list cannot be kept in {path}: {exc.strerror}") from exc

    def _path(self, name: Reference) -> Path:
        # As `pack` names them; two names cannot meet, since a repository has neither ":" nor "-" before a tag's end.
        return self._folder / str(name).replace(":", "@").replace("/", "_")

    def _registries(self) -> RegistryStore:
        from pybuild.stores.keychain import Keychain
        from pybuild.stores.registry import RegistryStore

        return RegistryStore(Keychain(self._environ), environ=self._environ, insecure=self._insecure)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            raise PybuildError(f"manifest lists cannot be kept in {self._folder}: {exc.strerror}") from exc
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _with_image(known: ManifestList, image: str, registries: RegistryStore) -> ManifestList:
    from pybuild.stores import indexes

    ref = Reference.parse(image)
    found = indexes.entries(registries.place(ref), ref.digest or ref.tag)
    where = f"{ref.registry}/{ref.repository}"
    return replace(
        known,
        index=known.index.plus(found),
        sources={**known.sources, **{each.digest: where for each in found}},
    )


def _push(known: ManifestList, registries: RegistryStore) -> str:
    from pybuild.stores import indexes

    held: dict[str, Place] = {
        digest: registries.place(Reference.parse(where)) for digest, where in known.sources.items()
    }
    return indexes.push(registries.place(known.name), known.name, known.index, held)


def _digest(image: str, registries: RegistryStore) -> str:
    if re.fullmatch(r"sha256:[0-9a-f]{64}", image):
        return image
    ref = Reference.parse(image)
    digest = ref.digest or registries.tagged(ref)
    if not digest:
        raise InvalidInput(f"{ref.registry} has no image {image}", hint="name it by its digest")
    return digest


def _named(name: str) -> Reference:
    ref = Reference.parse(name)
    if ref.digest:
        raise InvalidInput(f"{name!r} has a digest: an index is named by a tag", hint="leave out @sha256:…")
    return ref
