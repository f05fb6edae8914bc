"""Where a rebase finds images and puts them: in the engine, pulling what is missing, or in registries alone."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

from pybuild import engine
from pybuild.errors import InvalidReference, RebaseError
from pybuild.events import warn
from pybuild.oci.reference import Reference
from pybuild.platform import ownership
from pybuild.platform.pull import PullRefused, is_ours, present
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from pybuild.platform.images.rebase import RebaseRequest
    from pybuild.stores.api import RebasingStore, StoredImage
    from pybuild.stores.image_manifest import Platform
    from pybuild.stores.registry import RegistryStore


class Place(Protocol):
    """A kind of place for images. A run image is looked for once, however many apps stand on it."""

    def app_image(self, source: str, name: Reference) -> StoredImage:
        """The image to rebase: its name, or its id in an engine. `name`: what the result will be called."""
        ...

    def run_image(self, name: Reference, app: StoredImage) -> StoredImage:
        """A run image for `app`'s platform. Raises `PullRefused` or `RegistryError` if there is none to be had."""
        ...

    def store(self, run_image: Reference, app: StoredImage) -> RebasingStore:
        """The store to write into."""
        ...


@contextmanager
def opened(request: RebaseRequest) -> Iterator[Place]:
    """The place that the request is about; connections end with the block."""
    with ExitStack() as stack:
        if not request.publish:
            client = stack.enter_context(engine.connect(request.caller))
            store = DaemonStore(client, labels=ownership.labels("build", image="", builder=""))
            stack.callback(store.close)
            yield _Engine(client, store, request)
            return
        from pybuild.stores.keychain import Keychain
        from pybuild.stores.registry import RegistryStore

        registries = RegistryStore(
            Keychain(request.caller), environ=request.caller, insecure=request.insecure
        )
        stack.callback(registries.close)
        yield _Registries(registries, request, stack)


class _Engine:
    def __init__(self, client: docker.APIClient, store: DaemonStore, request: RebaseRequest) -> None:
        self._client, self._store, self._request = client, store, request
        self._found: dict[Reference, StoredImage] = {}

    def app_image(self, source: str, name: Reference) -> StoredImage:  # noqa: ARG002
        found = self._store.find(source)
        if found is not None:
            return found
        try:
            ref = Reference.parse(source)
        except InvalidReference as exc:
            raise RebaseError(f"the Docker Engine has no image {source}", hint="docker images") from exc
        # An app image that is here is never replaced by one of that name from elsewhere.
        return present(
            self._client, ref, "never" if self._request.pull_policy == "never" else "if-not-present"
        )

    def run_image(self, name: Reference, app: StoredImage) -> StoredImage:  # noqa: ARG002
        if name not in self._found:
            self._found[name] = present(
                self._client, name, self._request.pull_policy, mirrors=self._request.config.registry_mirrors
            )
            _warn_of_age(name, self._found[name])
        return self._found[name]

    def store(self, run_image: Reference, app: StoredImage) -> RebasingStore:  # noqa: ARG002
        return self._store


class _Registries:
    """Run images that pybuild made itself are in no registry: an engine lends them, and they go along."""

    def __init__(self, store: RegistryStore, request: RebaseRequest, stack: ExitStack) -> None:
        self._store, self._request, self._stack = store, request, stack
        self._found: dict[tuple[Reference, Platform], StoredImage] = {}
        self._lender: DaemonStore | None = None

    def app_image(self, source: str, name: Reference) -> StoredImage:
        ref = Reference.parse(source)
        found = self._store.find(ref)
        if found is None:
            raise RebaseError(
                f"{ref.registry} has no image {source}",
                hint="without --publish the one in the engine is rebased",
            )
        if ref == name and self._store.tagged(ref) != found.id:
            raise RebaseError(
                f"{source} is an index of images for several platforms: rebased, only one of them would be left",
                hint=f"rebase one of them: pybuild rebase {ref.familiar_repository}:TAG --publish"
                f" --previous-image {ref.familiar_repository}@{found.id}",
            )
        return found

    def run_image(self, name: Reference, app: StoredImage) -> StoredImage:
        key = (name, _platform_of(app))
        if key not in self._found:
            found = self.store(name, app).find(name)
            if found is None:
                where = "on this machine" if is_ours(name) else f"on {name.registry}"
                raise PullRefused(
                    f"the run image {name} was not found {where}", hint="name another one with --run-image"
                )
            self._found[key] = found
            _warn_of_age(name, found)
        return self._found[key]

    def store(self, run_image: Reference, app: StoredImage) -> RegistryStore:
        ours = is_ours(run_image)
        if ours and self._lender is None:
            client = self._stack.enter_context(engine.connect(self._request.caller))
            self._lender = DaemonStore(client)
            self._stack.callback(self._lender.close)
        return self._store.lending(
            _platform_of(app), self._lender if ours else None, [run_image] if ours else []
        )


def _platform_of(image: StoredImage) -> Platform:
    from pybuild.stores.image_manifest import Platform

    config = image.config
    return Platform(
        os=str(config.get("os") or ""),
        arch=str(config.get("architecture") or ""),
        variant=str(config.get("variant") or ""),
    )


def _warn_of_age(name: Reference, image: StoredImage) -> None:
    if not is_ours(name):
        return
    from pybuild.platform.builders import bases

    if bases.is_old(image):
        warn(
            f"the Debian packages of {name} are of {image.labels.get(bases.RELEASED_LABEL, 'an unknown day')}",
            hint="make it with the newest ones first: pybuild doctor --prepare",
        )
