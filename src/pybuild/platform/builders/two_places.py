"""An image as the engine has it and as its registry has it: neither is pulled, and one may fail without the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild import engine
from pybuild.errors import PybuildError
from pybuild.oci.reference import Reference
from pybuild.platform.pull import is_ours
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.stores.api import ImageReader, StoredImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One of the two. `image` None: it is not there, or `error` says why nobody knows."""

    image: StoredImage | None = None
    reader: ImageReader | None = None
    error: PybuildError | None = None


def in_engine(name: str, environ: Mapping[str, str]) -> Look:
    """The image in the engine."""
    reference = Reference.parse(name)
    try:
        store = DaemonStore(engine.connect(environ))
        return Look(image=store.find(reference), reader=store)
    except PybuildError as exc:
        return Look(error=exc)


def in_registry(name: str, environ: Mapping[str, str], *, insecure: tuple[str, ...] = ()) -> Look:
    """The image in its registry. What pybuild makes itself is in none, and none is asked."""
    from pybuild.stores.exchange import Patience
    from pybuild.stores.keychain import Keychain
    from pybuild.stores.registry import RegistryStore

    reference = Reference.parse(name)
    if is_ours(reference):
        return Look()
    # Somebody waits for the answer, and half of it is there already.
    store = RegistryStore(
        Keychain(environ),
        environ=environ,
        insecure=insecure,
        patience=Patience(connect=10, tries=2, pause=0.2),
    )
    try:
        return Look(image=store.find(reference), reader=store)
    except PybuildError as exc:
        return Look(error=exc)
