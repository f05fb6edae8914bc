"""Whole builds with `create`: an app, buildpacks of a few lines, a build environment, a store, and what is kept between."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from shlex import quote
from typing import TYPE_CHECKING, Any

from pybuild import events
from pybuild.lifecycle.cache import CacheIndex
from pybuild.lifecycle.create import Created, CreateInputs, Places, analyzed, create
from pybuild.lifecycle.image_layers import LauncherSource
from pybuild.lifecycle.resumable import with_resumable
from pybuild.oci import tar
from pybuild.oci.reference import Reference
from pybuild.spec.api import ApiVersion
from pybuild.spec.labels import LauncherIdentity
from pybuild.spec.names import escape_id
from pybuild.spec.order import ModuleRef, OrderFile
from pybuild.spec.run_image import RunImageName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.resumable import Resumable
    from support.images import Witness

SBOMS = '["application/vnd.cyclonedx+json"]'


@dataclass
class Workshop:
    """`root`: what stands before the folders that builders have. `run_image`: in the store already.

    `cache`: what the last build left, as the next one reads it. `heard`: events of the last build.
    """

    env: BuildEnv
    store: Witness
    root: str
    run_image: str
    name: str = "acme/app:1"
    cache: CacheIndex | None = None
    order: list[ModuleRef] = field(default_factory=list)
    heard: list[events.Event] = field(default_factory=list)
    _upload: str = ""

    def __post_init__(self) -> None:
        base = self.root
        self.places = Places(
            app=f"{base}/workspace",
            layers=f"{base}/layers",
            buildpacks=f"{base}/cnb/buildpacks",
            platform=f"{base}/platform",
            build_config=f"{base}/cnb/build-config",
        )
        self.put({}, folders=(self.places.app, self.places.layers))

    def put(self, files: Mapping[str, str], *, folders: Iterable[str] = (), mode: int = 0o644) -> None:
        """Files and folders of the build user, by absolute path."""
        self.env.unpack("/", self._tar(files, folders, mode))

    def buildpack(self, id: str, build: str, *, detect: str = "exit 0", api: str = "0.10") -> None:  # noqa: A002
        """Add one to the group, or give it other programs. bin/build runs in its layers directory."""
        root = f"{self.places.buildpacks}/{escape_id(id)}/1"
        self.put(
            {
                f"{root}/buildpack.toml": f'api = "{api}"\n[buildpack]\nid = "{id}"\nversion = "1"\nsbom-formats = {SBOMS}\n'
            }
        )
        programs = {"detect": detect, "build": f'cd "$1"\n{build}'}
        self.put(
            {f"{root}/bin/{name}": f"#!/bin/sh\n{text}\n" for name, text in programs.items()}, mode=0o755
        )
        ref = ModuleRef(id=id, version="1")
        if ref not in self.order:
            self.order.append(ref)

    def app(self, files: Mapping[str, str]) -> None:
        """What the platform uploads before each build: the app directory has this and nothing else."""
        app = quote(self.places.app)
        self.env.script(f"cd {app} && rm -rf -- * .[!.]* ..?*")
        self.put({f"{self.places.app}/{name}": text for name, text in files.items()})
        self._upload = hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()

    def create(self, **changes: Any) -> Created:
        """One build; what it says of its layers is written and read before the next one believes it."""
        name = Reference.parse(self.name)
        inputs = CreateInputs(
            names=(name,),
            run_image_names=RunImageName(image=self.run_image),
            order=OrderFile(order=(tuple(self.order),)),
            platform_api=ApiVersion(0, 15),
            environ={"PATH": "/usr/local/bin:/usr/bin:/bin"},
            launcher=LauncherSource(),
            launcher_identity=LauncherIdentity(version="1", repository="example.com/pybuild", commit=""),
            places=self.places,
            cache=self.cache,
            upload=self._upload,
            resume=self._resume,
        )
        self.heard.clear()
        self.store.opened.clear()
        with events.listening(self.heard.append):
            analysis = analyzed(self.store, previous=name, run_image=self.run_image)
            created = create(self.env, self.store, analysis, replace(inputs, **changes))
        self.cache = CacheIndex.read(created.exported.index.write(), where="index")
        return created

    def _resume(self, found: Resumable) -> None:
        index = with_resumable(self.cache, str(Reference.parse(self.name)), found)
        self.cache = CacheIndex.read(index.write(), where="index")

    def image(self, name: str = "") -> Mapping[str, Any]:
        """The configuration of the image that the last build wrote, `config` of it."""
        found = self.store.find(Reference.parse(name or self.name))
        assert found is not None
        config = found.config["config"]
        assert isinstance(config, dict)
        return config

    def metadata(self) -> Any:
        """The label io.buildpacks.lifecycle.metadata of that image."""
        return json.loads(self.image()["Labels"]["io.buildpacks.lifecycle.metadata"])

    def decided(self, action: str) -> dict[str, str]:
        """Why this was done with layers in the last build, by owner and name."""
        return {
            f"{event.owner}:{event.layer}": event.reason
            for event in self.heard
            if isinstance(event, events.LayerDecided) and event.action == action
        }

    def _tar(self, files: Mapping[str, str], folders: Iterable[str], mode: int) -> Iterable[bytes]:
        uid, gid = self.env.uid, self.env.gid
        for folder in folders:
            yield tar.header(tar.TarEntry(folder.lstrip("/").encode(), tar.DIRECTORY, 0o755, uid, gid))
        for path, text in files.items():
            content = text.encode()
            yield tar.header(tar.TarEntry(path.lstrip("/").encode(), tar.FILE, mode, uid, gid, len(content)))
            yield content + tar.padding(len(content))
        yield tar.TRAILER
