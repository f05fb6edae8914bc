"""Image extensions where a Docker Engine is at hand: its builder applies the Dockerfiles, and the build goes on in a
container of what became of the build image.

The first container stays until the end: its name is the lock on the cache. docs/adr/0008.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.errors import ExtendError, PybuildError
from pybuild.lifecycle.content import spooled_layer
from pybuild.lifecycle.extend import extend
from pybuild.lifecycle.extended import CREATED_BY, ExtendedRunImage
from pybuild.lifecycle.extensions import ExtendedBuild
from pybuild.oci import model, tar
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.platform import certificates, extended_images
from pybuild.platform.confided import confide
from pybuild.platform.engine_builds import EngineApplier, EngineOptions
from pybuild.platform.environment import home_environ, proxy_environ
from pybuild.platform.prepare import LAYERS_DIR, container_spec, owner_labels, start
from pybuild.platform.publish import destination
from pybuild.platform.pull import present
from pybuild.platform.ready import make_ready
from pybuild.platform.run_image import run_image
from pybuild.stores.api import Layer
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from pybuild.lifecycle.analyze import Analysis
    from pybuild.lifecycle.extend import Application, Kind
    from pybuild.platform.prepare import Prepared
    from pybuild.platform.ready import Readied
    from pybuild.platform.volumes import OpenBuild
    from pybuild.stores.api import ImageStore, StoredImage

_CREATED = "1980-01-01T00:00:01Z"
_DISCARD_SECONDS = 15.0


class EngineExtender:
    """See `lifecycle.extensions.Extender`. A context manager: at its end the second container is gone, and so are
    images that no later build may take.
    """

    def __init__(self, prepared: Prepared, held: OpenBuild, readied: Readied) -> None:
        self._prepared = prepared
        self._held = held
        self._readied = readied
        self._store = DaemonStore(prepared.client, labels=owner_labels(prepared))
        self._at_end = ExitStack()

    def __enter__(self) -> Self:
        self._at_end.callback(self._store.close)
        extended_images.sweep(self._prepared.client)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_end.__exit__(kind, exc, trace)

    def run_image(self, name: str) -> tuple[ImageStore, StoredImage]:
        """The run image of that name, pulled if the policy says so, or in the registry."""
        ready = self._prepared
        target = destination(ready.client, ready.request)
        try:
            reference = Reference.parse(name)
            _, found = run_image(
                ready.builder,
                given=name,
                app=ready.request.places[0].names[0],
                get=lambda each: target.run_image(each, ready.builder),
            )
        except PybuildError as exc:
            raise ExtendError(
                f"the run image {name} that an extension chose cannot be used: {exc}", hint=exc.hint
            ) from exc
        return target.store(reference, ready.builder), found

    def extend_run(self, analysis: Analysis, applications: Sequence[Application]) -> ExtendedRunImage:
        """Apply Dockerfiles to the run image; the engine has to have it, wherever the app image goes."""
        base = self._on_engine(analysis.run_image)
        files = self._authorities(lambda path: self._store.read_file(base, path))
        applier, config = self._extended("run", base, files, applications)
        image = self._store.find(applier.image)
        if image is None:
            raise ExtendError(f"the Docker Engine lost the extended run image {applier.image}")
        wanted = (*base.diff_ids, *(layer.diff_id for layer in applier.layers))
        on_engine = self._prepared.request.places[0].kind == "docker"
        held = _held(wanted, image, analysis.previous) if on_engine else None
        layers = []
        for layer in applier.layers:
            diff_id = layer.diff_id
            words = CREATED_BY.format(what=layer.what, id=layer.extension_id)
            read = partial(self._store.read_layer, image, diff_id)
            # One that the store has already is not read, so nobody asks how long it is.
            layers.append(
                Layer(diff_id=diff_id, size=0, open=read, created_by=words)
                if held
                else spooled_layer(read(), words)
            )
        return ExtendedRunImage(layers=tuple(layers), config=config, held=held)

    def extend_build(self, applications: Sequence[Application]) -> ExtendedBuild:
        """Apply Dockerfiles to the build image, and make all ready in a container of the outcome."""
        ready = self._prepared
        base = self._store.find(ready.builder.image_id)
        if base is None:
            raise ExtendError(f"the Docker Engine lost the builder {ready.builder.name}")
        files = _bundles(self._readied.delivery)
        applier, config = self._extended("build", base, files, applications)
        spec = replace(
            container_spec(ready),
            image=applier.image,
            labels=owner_labels(ready),
            mounts={},
            binds=(f"{self._held.volume}:{LAYERS_DIR}", *ready.request.volumes),
        )
        env = self._at_end.enter_context(ContainerBuildEnv.create(ready.client, spec))
        start(env, ready.request)
        env.deadline = self._held.env.deadline
        confide(env, ready.request.confided)
        make_ready(
            env,
            source=ready.source,
            app_dir=ready.app_dir,
            user_environ=ready.user,
            trusted=(),
            fetched=ready.chosen.fetched,
            delivery=self._readied.delivery,
        ).finish()
        environ = dict(item.split("=", 1) for item in config.get("Env") or () if "=" in item)
        environ = {**home_environ(env), **environ, **proxy_environ(ready.request.caller)}
        return ExtendedBuild(env=env, environ=environ)

    def _extended(
        self, kind: Kind, base: StoredImage, files: Mapping[str, bytes], applications: Sequence[Application]
    ) -> tuple[EngineApplier, Mapping[str, Any]]:
        """The image, and its configuration. `files`: what it is to have while it is extended, in a layer of its own.

        It keeps a name until the cache of this app is removed; without that cache, it ends with this build.
        """
        ready = self._prepared
        start_at = self._with_files(base, files) if files else base.id
        options = EngineOptions(
            network=ready.request.network,
            proxies=proxy_environ(ready.request.caller),
            fresh=ready.request.clear_cache,
            deadline=self._held.env.deadline,
            output_limit=ready.request.limits.log,
        )
        applier = EngineApplier(ready.client, self._held.env, start_at, options)
        try:
            config = extend(applier, applications, kind)
        except BaseException as exc:
            # Who has typed Ctrl-C is hardly kept waiting: what stays is swept by a later build.
            applier.discard(seconds=_DISCARD_SECONDS if isinstance(exc, Exception) else 1)
            if files:
                extended_images.drop(ready.client, start_at)
            raise
        if self._held.private:
            self._at_end.callback(extended_images.drop, ready.client, applier.image)
        else:
            extended_images.keep(ready.client, applier.image, kind, self._held.volume)
        return applier, config

    def _on_engine(self, image: StoredImage) -> StoredImage:
        found = self._store.find(image.id) if not image.reference else None
        if found is not None:
            return found
        name = Reference.parse(image.reference)
        request = self._prepared.request
        return present(
            self._prepared.client, name, request.pull_policy, mirrors=request.config.registry_mirrors
        )

    def _authorities(self, read: Callable[[str], bytes | None]) -> dict[str, bytes]:
        """The bundles of an image with this machine's own CA certificates, if it lacks any of them."""
        trusted = certificates.host_certificates(self._prepared.request.caller)
        if not trusted:
            return {}
        # The first one will do: each look takes a container, and most images have one bundle under several names.
        found: dict[str, bytes] = {}
        for path in certificates.SYSTEM_BUNDLES:
            if content := read(path):
                found[path] = content
                break
        return _bundles(certificates.deliver(trusted, found, fallback=certificates.host_bundle()))

    def _with_files(self, base: StoredImage, files: Mapping[str, bytes]) -> str:
        """The ID of an image of our own: `base` with root's `files`. Equal inputs, equal image."""
        entries = [
            (tar.TarEntry(path.lstrip("/").encode(), tar.FILE, 0o644, 0, 0, len(content)), content)
            for path, content in sorted(files.items())
        ]
        content = b"".join(tar.write(entries))
        layer = Layer(
            diff_id=sha256(content), size=len(content), open=partial(iter, (content,)), created_by="pybuild"
        )

        def config(diff_ids: Sequence[str]) -> bytes:
            given: dict[str, Any] = dict(base.config)
            labels = {**base.labels, **extended_images.LABELS}
            return model.encode_config(
                {
                    **given,
                    "created": _CREATED,
                    "config": {**(given.get("config") or {}), "Labels": labels},
                    "history": [{"created": _CREATED} for _ in diff_ids],
                    "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
                }
            )

        return self._store.write(base, [layer], config, (), None).image_id


def _held(wanted: Sequence[str], *images: StoredImage | None) -> StoredImage | None:
    """One of the images that has exactly the `wanted` layers at its bottom, as an image of these alone."""
    found = (each for each in images if each and each.diff_ids[: len(wanted)] == tuple(wanted))
    first = next(found, None)
    return first and replace(first, diff_ids=tuple(wanted))


def _bundles(delivery: certificates.Delivery) -> dict[str, bytes]:
    """The bundles that tools of the system read; the first of the usual ones where an image has none yet."""
    found = {path: delivery.files[path] for path in certificates.SYSTEM_BUNDLES if path in delivery.files}
    if found or not delivery.files:
        return found
    return {certificates.SYSTEM_BUNDLES[0]: next(iter(delivery.files.values()))}
