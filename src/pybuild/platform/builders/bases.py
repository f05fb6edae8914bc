"""The build and run base of the default builder, made as local images: Debian's root file system and two stages.

Each stage installs packages in a throw-away container and becomes one layer, the build base on top of the run
base, so that the engine keeps what both have once.
"""

from __future__ import annotations

import hashlib
import shlex
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from pybuild import engine
from pybuild.errors import BuilderUnusable, PybuildError
from pybuild.events import detail, info, warn
from pybuild.oci import model, tar
from pybuild.oci.reference import Reference
from pybuild.platform import ownership
from pybuild.platform.builders.debian import Archive, archive_here, root_image
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import docker

    from pybuild.platform.builders.recipe import Recipe, Stage
    from pybuild.stores.api import StoredImage

INPUTS_LABEL = "io.pybuild.base.inputs"
RELEASED_LABEL = "io.buildpacks.base.released"
MAX_AGE_DAYS = 7
"""Older bases are made anew, for Debian's security updates."""

STAGE_SECONDS = 1800
"""Longest that the packages of one base may take."""

_FOLDER = "tmp/pybuild"
_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_DAY = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """The two images. `fresh`: they were made just now."""

    build: StoredImage
    run: StoredImage
    fresh: bool = False


def bases(
    client: docker.APIClient,
    recipe: Recipe,
    stage_script: bytes,
    *,
    choice: str,
    refresh: bool,
    environ: Mapping[str, str],
) -> Bases:
    """The bases of `recipe`: those that the engine has, unless they are stale or `refresh` asks for new ones.

    `choice`: where the root file system comes from (`debian.root_image`). Raises `BuilderUnusable`; but bases
    that are only old and cannot be made anew are used, with a warning.
    """
    inputs = hashlib.sha256(recipe.digest.encode() + stage_script + choice.encode()).hexdigest()
    present = _present(client, recipe, inputs)
    if present is not None and not refresh and not is_old(present.run):
        return present
    try:
        return _make(client, recipe, stage_script, inputs, choice, environ)
    except BuilderUnusable as exc:
        if present is None:
            raise
        warn(f"the base images of {_released(present.run)} could not be made anew, so they are used: {exc}")
        return present


def is_old(image: StoredImage) -> bool:
    """Whether a base, or a builder made on it, has Debian packages of more than `MAX_AGE_DAYS` ago."""
    try:
        age = datetime.now(UTC).date() - date.fromisoformat(_released(image))
    except ValueError:
        return True
    return age.days > MAX_AGE_DAYS


def _present(client: docker.APIClient, recipe: Recipe, inputs: str) -> Bases | None:
    store = DaemonStore(client)
    found = [store.find(Reference.parse(recipe.image_name(kind))) for kind in ("build", "run")]
    build, run = found
    if (
        build is None
        or run is None
        or any(image.labels.get(INPUTS_LABEL) != inputs for image in (build, run))
    ):
        return None
    # A build base of another day than its run base would not share its layers.
    return Bases(build=build, run=run) if build.diff_ids[: len(run.diff_ids)] == run.diff_ids else None


def _released(image: StoredImage) -> str:
    return image.labels.get(RELEASED_LABEL, "")


def _make(
    client: docker.APIClient,
    recipe: Recipe,
    script: bytes,
    inputs: str,
    choice: str,
    environ: Mapping[str, str],
) -> Bases:
    epoch = int(time.time()) // _DAY * _DAY
    archive = archive_here(recipe, environ)
    root = root_image(client, recipe, archive, choice=choice, epoch=epoch)
    work = _Work(client=client, recipe=recipe, script=script, inputs=inputs, archive=archive, epoch=epoch)
    try:
        with _volume(client) as lists:
            run = work.stage(recipe.run, root.image, lists)
            build = work.stage(recipe.build, run.id, lists)
    finally:
        if root.temporary:
            _remove_image(client, root.image)
    return Bases(build=build, run=run, fresh=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    client: docker.APIClient
    recipe: Recipe
    script: bytes
    inputs: str
    archive: Archive
    epoch: int

    def stage(self, stage: Stage, base: str, lists: str) -> StoredImage:
        """Run one stage on the image `base` and name the result."""
        info(
            f"Making the {stage.kind} base {self.recipe.image_name(stage.kind)}: {', '.join(stage.packages)}"
        )
        with engine.translating(f"making the {stage.kind} base"):
            container = str(
                self.client.create_container(
                    base,
                    entrypoint=["/bin/sh", f"/{_FOLDER}/stage.sh"],
                    user="0:0",
                    labels=ownership.labels("build", image=self.recipe.image_name(stage.kind), builder=""),
                    host_config=self.client.create_host_config(binds={lists: {"bind": "/var/lib/apt/lists"}}),
                )["Id"]
            )
            try:
                self.client.put_archive(container, "/", b"".join(tar.write(self._files(stage))))
                self._install(container, stage)
                committed = str(self.client.commit(container)["Id"])
            finally:
                self.client.remove_container(container, force=True, v=True)
        try:
            return self._named(stage, committed)
        finally:
            _remove_image(self.client, committed)

    def _files(self, stage: Stage) -> Iterator[tuple[tar.TarEntry, bytes]]:
        users = " ".join(f"{each.user}:{each.uid}" for each in (self.recipe.run, self.recipe.build))
        inputs = {
            "kind": stage.kind,
            "packages": " ".join(stage.packages),
            "group": self.recipe.group,
            "gid": str(self.recipe.gid),
            "users": users,
            "SOURCE_DATE_EPOCH": str(self.epoch),
        }
        authorities = next((path.read_bytes() for name in _CA_BUNDLES if (path := Path(name)).is_file()), b"")
        contents = {
            "stage.sh": self.script,
            "inputs": "".join(f"{name}={shlex.quote(value)}\n" for name, value in inputs.items()).encode(),
            "apt.conf": _apt_conf(self.archive, with_authorities=bool(authorities)).encode(),
            "sources.used": "\n".join((*self.archive.sources, "")).encode(),
            "sources.kept": "\n".join((*self.recipe.sources, "")).encode(),
            "authorities.crt": authorities,
        }
        yield tar.TarEntry(name=_FOLDER.encode(), kind=tar.DIRECTORY, mode=0o755, uid=0, gid=0), b""
        for name, content in contents.items():
            place = f"{_FOLDER}/{name}".encode()
            yield (
                tar.TarEntry(name=place, kind=tar.FILE, mode=0o644, uid=0, gid=0, size=len(content)),
                content,
            )

    def _install(self, container: str, stage: Stage) -> None:
        self.client.start(container)
        status = self.client.wait(container, timeout=STAGE_SECONDS)["StatusCode"]
        said = bytes(self.client.logs(container, tail=200)).decode("utf-8", "backslashreplace").splitlines()
        for line in said:
            detail(line)
        if status != 0:
            errors = [line for line in said if line.startswith("E:")] or [" ".join(said)[-300:]]
            raise BuilderUnusable(
                f"the packages of the {stage.kind} base could not be installed (exit code {status}): {errors[0]}",
                hint="containers need a way to deb.debian.org; behind a proxy set http_proxy, then try again",
            )

    def _named(self, stage: Stage, committed: str) -> StoredImage:
        """The same layers under the configuration that this module decides alone."""
        store = DaemonStore(self.client)
        image = store.find(committed)
        if image is None:
            raise BuilderUnusable(
                f"the Docker Engine lost the {stage.kind} base while it was made",
                hint="try again: pybuild doctor --prepare",
            )
        name = Reference.parse(self.recipe.image_name(stage.kind))
        store.write(image, (), lambda diff_ids: self._config(stage, image, diff_ids), (name,), None)
        made = store.find(name)
        if made is None:
            raise BuilderUnusable(
                f"the Docker Engine did not keep the {stage.kind} base {name}",
                hint="try again: pybuild doctor --prepare",
            )
        return made

    def _config(self, stage: Stage, image: StoredImage, diff_ids: Sequence[str]) -> bytes:
        day = datetime.fromtimestamp(self.epoch, UTC)
        created = f"{day:%Y-%m-%dT%H:%M:%SZ}"
        environ = self.recipe.environ(stage)
        labels = self.recipe.labels(stage, f"{day:%Y-%m-%d}") | {INPUTS_LABEL: self.inputs}
        return model.encode_config(
            {
                "architecture": image.config["architecture"],
                "os": image.config["os"],
                "created": created,
                "config": {
                    "Env": [f"{name}={value}" for name, value in environ.items()],
                    "Labels": labels,
                    "User": f"{stage.uid}:{self.recipe.gid}",
                },
                "history": [{"created": created, "created_by": "pybuild"} for _ in diff_ids],
                "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            }
        )


def _apt_conf(archive: Archive, *, with_authorities: bool) -> str:
    lines = [
        f'Dir::Etc::SourceList "/{_FOLDER}/sources.used";',
        'Dir::Etc::SourceParts "-";',
        'APT::Install-Recommends "0";',
        'APT::Update::Error-Mode "any";',
        'APT::Sandbox::User "root";',
        'Acquire::Languages "none";',
        'Acquire::Retries "3";',
        'Dpkg::Use-Pty "0";',
        *(f'Acquire::{scheme}::Proxy "{url}";' for scheme, url in archive.proxies.items()),
    ]
    if with_authorities:
        lines.append(f'Acquire::https::CaInfo "/{_FOLDER}/authorities.crt";')
    return "\n".join((*lines, ""))


@contextmanager
def _volume(client: docker.APIClient) -> Iterator[str]:
    """A volume for apt's package lists while both stages run."""
    name = f"pybuild-apt-{uuid4().hex[:12]}"
    with engine.translating("making the base images"):
        client.create_volume(name, labels=ownership.labels("private", image="", builder=""))
        try:
            yield name
        finally:
            client.remove_volume(name, force=True)


def _remove_image(client: docker.APIClient, image: str) -> None:
    try:
        with engine.translating("removing an intermediate image"):
            client.remove_image(image, noprune=False)
    except PybuildError as exc:
        detail(f"{image} is left behind: {exc}")
