"""A tiny builder with image extensions, and a run image that has a user: for builds that extend both."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.oci import model, tar
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.platform import ownership
from pybuild.stores.api import Layer
from pybuild.stores.daemon import DaemonStore
from support.engine import LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.stores.api import StoredImage
    from support.cli import Lab

HEAD = "ARG base_image\nFROM ${base_image}\nUSER root\n"
RESET = "ARG user_id\nARG group_id\nUSER ${user_id}:${group_id}\n"
USER = "1000:1000"
WEB = """printf '[[processes]]\\ntype = "web"\\ncommand = ["/bin/sh", "-c"]\\nargs = ["cat %s"]\\ndefault = true\\n' > "$1/launch.toml" """
"""A build whose process shows these files."""
SLOW = "echo begun; exec sleep 60"


def dockerfile(kind: str, body: str) -> str:
    """Lines of a generate that write a Dockerfile."""
    return f"cat > {kind}.Dockerfile <<'END'\n{HEAD}{body}END\n"


def when_slow(lines: str) -> str:
    """These lines of a generate, where the app has a file `slow`."""
    return f"if [ -e /workspace/slow ]; then\n{lines}\nfi\n"


@dataclass
class ExtendingLab:
    """A lab whose builder has extensions. `folder`: that of a buildpack, for `--buildpack`."""

    lab: Lab
    store: DaemonStore
    run_image: str = ""
    extensions: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.run_image = self.lab.name("run:1")
        self.image(self.run_image, User=USER, Env=["PATH=/bin"], Labels={"io.buildpacks.rebasable": "true"})

    def image(self, name: str, files: Mapping[str, str] | None = None, **config: Any) -> None:
        """An image of sh and coreutils with these files and this `config`."""
        base = self._found(self.lab.builder)
        self._write(base, files or {}, name, config)

    def extension(self, id: str, generate: str, **files: str) -> None:  # noqa: A002
        """An extension that provides its own ID; `generate`: lines of its program, in its output folder."""
        self.extensions[id] = {
            "extension.toml": f'api = "0.10"\n[extension]\nid = "{id}"\nversion = "1"\n',
            "bin/detect": f'#!/bin/sh\nprintf \'[[provides]]\\nname = "{id}"\\n\' > "$CNB_BUILD_PLAN_PATH"\n',
            "bin/generate": f'#!/bin/sh\nset -e\ncd "$CNB_OUTPUT_DIR"\n{generate}\n',
            **files,
        }

    def buildpack(self, build: str, *requires: str) -> None:
        """The buildpack, which requires what extensions provide."""
        plan = "".join(f'[[requires]]\\nname = "{name}"\\n' for name in requires or self.extensions)
        self.folder = self.lab.buildpack(detect=f"printf '{plan}' > \"$CNB_BUILD_PLAN_PATH\"", build=build)

    def builder(self) -> str:
        """The builder's name, made now."""
        files = {
            f"cnb/extensions/{which}/1/{name}": text
            for which, own in self.extensions.items()
            for name, text in own.items()
        }
        group = [{"id": which, "version": "1"} for which in self.extensions]
        base = self._found(self.lab.builder)
        config = dict(base.config["config"])  # type: ignore[call-overload]
        metadata = json.loads(base.labels["io.buildpacks.builder.metadata"])
        images = [{"image": self.run_image}]
        labels = {
            **base.labels,
            "io.buildpacks.buildpack.order-extensions": json.dumps([{"group": group}]),
            "io.buildpacks.builder.metadata": json.dumps(
                {**metadata, "images": images, "stack": {"runImage": images[0]}}
            ),
        }
        name = self.lab.name("builder:1")
        self._write(base, files, name, {**config, "Labels": labels})
        return name

    def words(self, *args: str, network: str = "none") -> list[str]:
        """The words of a build."""
        return [
            *("build", self.lab.name(), "--builder", self.builder(), "--network", network, "--no-color"),
            *("--buildpack", self.folder, "--pull-policy", "never", *args),
        ]

    def config(self, name: str = "app") -> Mapping[str, Any]:
        """The object `config` of an image."""
        config: Mapping[str, Any] = self._found(self.lab.name(name)).config["config"]  # type: ignore[assignment]
        return config

    def layers(self, name: str = "app") -> tuple[str, ...]:
        """The diff IDs of an image."""
        return self._found(self.lab.name(name)).diff_ids

    def images(self) -> set[str]:
        """The IDs of all images that extending made in this lab and left, intermediate ones too."""
        assert self.lab.engine is not None
        labels = [f"{ownership.KIND}=extended", f"{LABEL}={self.lab.prefix}"]
        found = self.lab.engine.images(all=True, filters={"label": labels})
        return {image["Id"] for image in found}

    def running(self, *, seconds: float = 20) -> list[str]:
        """Containers of this lab, also those that the engine's builder makes; they have a moment to go."""
        assert self.lab.engine is not None
        until = time.monotonic() + seconds
        while found := self.lab.engine.containers(all=True, filters={"label": f"{LABEL}={self.lab.prefix}"}):
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        return [container["Id"] for container in found]

    def _found(self, name: str) -> StoredImage:
        found = self.store.find(Reference.parse(name))
        assert found is not None, name
        return found

    def _write(
        self, base: StoredImage, files: Mapping[str, str], name: str, config: Mapping[str, Any]
    ) -> None:
        entries = []
        for path, text in files.items():
            mode = 0o755 if "bin/" in path else 0o644
            size = len(text.encode())
            entries.append((tar.TarEntry(path.encode(), tar.FILE, mode, 0, 0, size), text.encode()))
        content = b"".join(tar.write(entries))
        layer = Layer(
            diff_id=sha256(content), size=len(content), open=partial(iter, (content,)), created_by="test"
        )

        # What is made of this image has its label, too: so `images` tells this lab's from others'.
        config = {**config, "Labels": {**(config.get("Labels") or {}), LABEL: self.lab.prefix}}

        def encoded(diff_ids: Sequence[str]) -> bytes:
            rootfs = {"type": "layers", "diff_ids": list(diff_ids)}
            return model.encode_config({**base.config, "config": config, "rootfs": rootfs, "history": []})

        self.store.write(replace(base), [layer], encoded, (Reference.parse(name),), None)


@pytest.fixture
def extending(lab: Lab) -> ExtendingLab:
    """A lab whose builder has image extensions."""
    assert lab.engine is not None
    return ExtendingLab(lab=lab, store=DaemonStore(lab.engine))
