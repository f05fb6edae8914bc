"""App images and run images for tests of rebase, made from nothing in any store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybuild.oci import model, tar
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.spec.labels import LIFECYCLE_METADATA, LifecycleMetadata, RunImageOf
from pybuild.spec.run_image import RunImageName
from pybuild.stores.api import Layer, StoredImage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.stores.api import ImageStore

NOTHING = StoredImage(id="", config={}, diff_ids=(), labels={})
DEBIAN = {"io.buildpacks.base.distro.name": "debian", "io.buildpacks.base.distro.version": "12"}


def layer(content: str) -> Layer:
    """A layer with one file of that content, whose name is the content's digest."""
    data = content.encode()
    entry = tar.TarEntry(sha256(data)[7:19].encode(), tar.FILE, 0o644, 0, 0, len(data))
    archive = b"".join(tar.write([(entry, data)]))
    return Layer(diff_id=sha256(archive), size=len(archive), open=lambda: iter([archive]), created_by=content)


def put_run_image(store: ImageStore, name: str, *contents: str, **config: Any) -> StoredImage:
    """A run image of these layers, for linux/amd64 and Debian 12. `config`: other keys; `labels` beside Debian's."""
    labels = {**DEBIAN, **config.pop("labels", {})}
    return _put(store, NOTHING, name, contents, labels, ["PATH=/bin"], config)


def put_app(
    store: ImageStore,
    name: str,
    base: StoredImage,
    run_image: str,
    *contents: str,
    api: str = "0.15",
    mirrors: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> StoredImage:
    """An app image of these layers on `base`, as an exporter for the Platform API `api` leaves it."""
    known = RunImageName(image=run_image, mirrors=tuple(mirrors))
    metadata = LifecycleMetadata(
        app=(str(layer(contents[0]).diff_id),),
        buildpacks=(),
        run_image=RunImageOf(
            top_layer=base.diff_ids[-1],
            reference=base.reference or base.id.removeprefix("sha256:"),
            name=known if api >= "0.12" else RunImageName(),
        ),
        stack=known,
    )
    given = {**base.labels, LIFECYCLE_METADATA: metadata.write(), **(labels or {})}
    environ = ["PATH=/cnb/process:/bin", f"CNB_PLATFORM_API={api}"]
    config = {key: base.config[key] for key in ("os", "architecture", "variant") if base.config.get(key)}
    return _put(store, base, name, contents, given, environ, config)


def _put(
    store: ImageStore,
    base: StoredImage,
    name: str,
    contents: Sequence[str],
    labels: Mapping[str, str],
    environ: Sequence[str],
    config: Mapping[str, Any],
) -> StoredImage:
    def make_config(diff_ids: Sequence[str]) -> bytes:
        return model.encode_config(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": "1980-01-01T00:00:01Z",
                **config,
                "config": {"Env": list(environ), "Labels": dict(labels), "Cmd": ["/x"]},
                "history": [{"created_by": "a test"}] * len(diff_ids),
                "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            }
        )

    store.write(base, [layer(content) for content in contents], make_config, [Reference.parse(name)], None)
    found = store.find(Reference.parse(name))
    assert found is not None
    return found
