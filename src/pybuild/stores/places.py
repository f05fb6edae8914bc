"""Places for images as users name them: a word for the kind, then where; `open_place` finds the store behind it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.errors import InvalidInput, SourceUnusable
from pybuild.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pybuild.stores.api import ImageReader
    from pybuild.stores.image_manifest import Platform

KINDS: Mapping[str, str] = {
    "docker": "docker:NAME, or just NAME",
    "registry": "registry:NAME",
    "oci": "oci:FOLDER[:TAG]",
    "oci-archive": "oci-archive:FILE[:TAG]",
    "docker-archive": "docker-archive:FILE[:NAME]",
}
"""How each kind of place is written."""


def open_place(
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    insecure: Collection[str] = (),
    platform: Platform | None = None,
) -> tuple[ImageReader, Reference | str]:
    """The store that `text` names (see `KINDS`), and what to ask its `find` for; "" for the only image there.

    `environ`: for credentials and the engine's place. `insecure`: registries whose certificate is not checked.
    Nothing is looked up yet, but archives are opened. Raises `InvalidInput` and `SourceUnusable`.
    """
    environ = os.environ if environ is None else environ
    kind, colon, rest = text.partition(":")
    if not colon or kind not in KINDS:
        kind, rest = "docker", text
    if not rest:
        raise InvalidInput(f"{text!r} names no image", hint=f"write {KINDS[kind]}")
    match kind:
        case "docker":
            name = rest if rest.startswith("sha256:") else Reference.parse(rest)
            return _engine(environ), name
        case "registry":
            return _registry(environ, insecure, platform), Reference.parse(rest)
        case _:
            path, tag = _cut(rest, text)
            return _on_disk(kind, path, platform), tag


def _engine(environ: Mapping[str, str]) -> ImageReader:
    from pybuild import engine
    from pybuild.stores.daemon import DaemonStore

    return DaemonStore(engine.connect(environ))


def _registry(
    environ: Mapping[str, str], insecure: Collection[str], platform: Platform | None
) -> ImageReader:
    from pybuild.stores.keychain import Keychain
    from pybuild.stores.registry import RegistryStore

    return RegistryStore(Keychain(environ), environ=environ, insecure=insecure, platform=platform)


def _on_disk(kind: str, path: Path, platform: Platform | None) -> ImageReader:
    from pybuild.stores.files import Archive, Folder
    from pybuild.stores.layout import LayoutReader
    from pybuild.stores.saved import SavedReader

    if kind == "docker-archive":
        return SavedReader(path)
    if kind == "oci-archive":
        return LayoutReader(Archive.open(path), platform=platform)
    if not path.is_dir():
        raise SourceUnusable(
            f"{path} is a file, not the folder of an OCI image layout",
            hint=f"oci-archive:{path} or docker-archive:{path}",
        )
    return LayoutReader(Folder(path), platform=platform)


def _cut(rest: str, text: str) -> tuple[Path, str]:
    """Path and name of an image there. Both may have colons: the longest path that exists counts."""
    at = len(rest)
    while at > 0:
        if Path(rest[:at]).exists():
            return Path(rest[:at]), rest[at + 1 :]
        at = rest.rfind(":", 0, at)
    raise SourceUnusable(
        f"{text}: there is no {rest.partition(':')[0]}", hint="ls -l, and look at the spelling"
    )
