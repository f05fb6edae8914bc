"""Makes the lifecycle image: the phases in /cnb/lifecycle on a base with Python, as platforms run them one by one.

`pack build --lifecycle-image`, Tekton and kpack take it. Its labels say which APIs the phases speak (GO-96), and its
last layer is the lifecycle alone, which is what `[lifecycle] uri = "docker://…"` of a builder.toml reads.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pybuild
from pybuild import engine, gojson
from pybuild.errors import PybuildError
from pybuild.gojson import Struct
from pybuild.lifecycle.inputs import VERSION
from pybuild.oci import model, tar
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.platform.builders.bootstrap import default_builder
from pybuild.platform.builders.lifecycle_program import members, program
from pybuild.spec.api import BUILDPACK_APIS, PLATFORM_APIS
from pybuild.spec.builder import LIFECYCLE_APIS, LIFECYCLE_VERSION, METADATA
from pybuild.stores.api import Layer
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import docker

    from pybuild.stores.api import StoredImage

DEFAULT_BASE = "pybuild/build:debian-12"
DEFAULT_NAME = f"pybuild/lifecycle:{pybuild.__version__}"
_CREATED = "1980-01-01T00:00:01Z"


def make(client: docker.APIClient, *, name: str = DEFAULT_NAME, base: str = DEFAULT_BASE) -> str:
    """The id of the lifecycle image, which has `name` when this returns. Equal sources and base give an equal image.

    Raises `PybuildError` where the base is missing or the phases do not start on it.
    """
    store = DaemonStore(client)
    if base == DEFAULT_BASE:
        default_builder(client, environ=os.environ)
    below = store.find(Reference.parse(base))
    if below is None:
        raise PybuildError(f"{base}: the engine has no such image", hint=f"docker pull {base}")
    content = layer(program())
    added = Layer(
        diff_id=sha256(content),
        size=len(content),
        open=partial(iter, (content,)),
        created_by="pybuild: Lifecycle",
    )
    written = store.write(below, [added], partial(_config, below, added), (), None)
    _try(client, written.image_id, base)
    store.write(below, [added], partial(_config, below, added), (Reference.parse(name),), None)
    return written.image_id


def layer(program: bytes) -> bytes:
    """The tar of the image's last layer: what the archive for builder.toml holds, below /cnb."""
    folders = [(tar.TarEntry(path, tar.DIRECTORY, 0o755, 0, 0), b"") for path in (b"/cnb", b"/cnb/lifecycle")]
    files = [(replace(entry, name=b"/cnb/" + entry.name), content) for entry, content in members(program)]
    return b"".join(tar.write([*folders, *files]))


def labels() -> dict[str, str]:
    """What platforms ask the image for."""
    apis = {
        kind: Struct(deprecated=[], supported=[str(api) for api in versions])
        for kind, versions in (("buildpack", BUILDPACK_APIS), ("platform", PLATFORM_APIS))
    }
    oldest = Struct(buildpack=str(BUILDPACK_APIS[0]), platform=str(PLATFORM_APIS[0]))
    return {
        LIFECYCLE_APIS: gojson.dumps(Struct(apis)),
        LIFECYCLE_VERSION: VERSION,
        METADATA: gojson.dumps(Struct(lifecycle=Struct(version=VERSION), api=oldest)),
    }


def _config(base: StoredImage, added: Layer, diff_ids: Sequence[str]) -> bytes:
    """The base's configuration, without the build user: a platform says who each phase is."""
    given: dict[str, Any] = dict(base.config)
    config = dict(given.get("config") or {})
    config["User"] = "0:0"
    config["Env"] = [word for word in config.get("Env") or () if not word.startswith("CNB_")]
    # How our own base was made says nothing about this image.
    kept = {name: text for name, text in base.labels.items() if not name.startswith("io.pybuild.")}
    config["Labels"] = {**kept, **labels()}
    config["WorkingDir"] = "/layers"
    config |= {"Entrypoint": None, "Cmd": None}
    history = [
        *(Struct(created=_CREATED) for _ in base.diff_ids),
        Struct(created=_CREATED, created_by=added.created_by),
    ]
    rootfs = Struct(type="layers", diff_ids=list(diff_ids))
    return model.encode_config(
        {**given, "created": _CREATED, "config": config, "history": history, "rootfs": rootfs}
    )


def _try(client: docker.APIClient, image: str, base: str) -> None:
    """Have the phases say their version on this base; the image goes again if they cannot."""
    container = client.create_container(
        image, ["/cnb/lifecycle/lifecycle", "-version"], network_disabled=True
    )
    try:
        client.start(container)
        code = client.wait(container)["StatusCode"]
        said = client.logs(container).decode(errors="replace").strip()
    finally:
        client.remove_container(container, force=True)
    if code != 0 or said != VERSION:
        client.remove_image(image)
        raise PybuildError(
            f"{base}: the phases do not start on it: {said}", hint="name a base with Python 3.11"
        )


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description="make the lifecycle image in the Docker Engine")
    parser.add_argument("name", nargs="?", default=DEFAULT_NAME, help=f"its name ({DEFAULT_NAME})")
    parser.add_argument("--base", default=DEFAULT_BASE, help=f"with Python 3.11 or later ({DEFAULT_BASE})")
    words = parser.parse_args()
    try:
        with engine.connect() as client:
            image_id = make(client, name=words.name, base=words.base)
    except PybuildError as exc:
        sys.exit(f"ERROR: {exc}\nhint: {exc.hint}" if exc.hint else f"ERROR: {exc}")
    print(f"{words.name}  {image_id}")


if __name__ == "__main__":
    main()
