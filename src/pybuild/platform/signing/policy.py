"""`--verify KEY`: nothing is built with a builder or on a run image that this key has not signed.

What is checked is the digest of the very image that is used, so a name that moves in between changes nothing.
Images that this machine made itself, of Debian's signed packages, need no signature. Reliability: S-49.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pybuild.errors import NotTrusted
from pybuild.events import info
from pybuild.oci.reference import Reference
from pybuild.platform.pull import is_ours
from pybuild.platform.signing import keys, signatures
from pybuild.stores import manifests
from pybuild.stores.image_manifest import INDEXES
from pybuild.stores.keychain import Keychain
from pybuild.stores.registry import RegistryStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pybuild.platform.request import BuildRequest
    from pybuild.stores.api import StoredImage


def check_signed(request: BuildRequest, key: Path, images: Iterable[tuple[str, StoredImage]]) -> None:
    """Raise `NotTrusted` for the first image, by name, that `key` (a public one) has not signed."""
    public = keys.read_public(key)
    store = RegistryStore(Keychain(request.caller), environ=request.caller, insecure=request.insecure)
    with closing(store):
        for text, image in images:
            name = Reference.parse(text)
            if is_ours(name):
                continue
            digests = _digests(store, name, image)
            if not digests:
                raise NotTrusted(
                    f"{text} is not trusted: the image on this machine came from no registry that could show a signature",
                    hint=f"docker pull {text}",
                )
            failure: NotTrusted | None = None
            for digest in digests:
                try:
                    signatures.check(store, name, digest, public)
                except NotTrusted as exc:
                    failure = failure or exc
                else:
                    info(f"{text} is signed by {key.name}")
                    break
            else:
                assert failure is not None
                raise failure


def _digests(store: RegistryStore, name: Reference, image: StoredImage) -> list[str]:
    """The digests under which the registry has this image: its own, and that of the index which it was taken from."""
    prefix = f"{name.familiar_repository}@"
    found = [each.removeprefix(prefix) for each in image.digest_names if each.startswith(prefix)]
    if image.reference:  # it was read from the registry: does the name's index hold it?
        index = manifests.read(store.place(name), name.digest or name.tag)
        if index is not None and index[0] in INDEXES:
            listed = [
                entry.get("digest") for entry in index[2].get("manifests") or () if isinstance(entry, dict)
            ]
            found += [index[1]] if image.id in listed else []
    return found
