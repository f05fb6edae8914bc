"""`pybuild.lock` beside an app: the builder and the run image that it was last built with, by their ids.

`pybuild lock` writes it; a build with `--locked` takes these images or ends. Versions of dependencies are the
buildpacks' to keep (docs/how-to/pinned.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from pybuild.errors import BuilderUnusable, InvalidFile, InvalidInput, NotTrusted
from pybuild.oci.digest import is_digest
from pybuild.oci.reference import Reference
from pybuild.spec import toml
from pybuild.stores.state import read_state, write_state

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.platform.request import BuildRequest
    from pybuild.spec.builder import Builder
    from pybuild.spec.toml import Table
    from pybuild.stores.api import StoredImage

NAME = "pybuild.lock"
_FORMAT = 1
_MAX = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """An image by its name, its id, and the name with a digest under which a registry has it, "" for none."""

    image: str
    id: str
    pull: str = ""

    @classmethod
    def of(cls, name: str, image: StoredImage) -> Self:
        """What pins this image."""
        return cls(image=name, id=image.id, pull=next(iter(image.digest_names), ""))

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table."""
        # The app may be a stranger's, and these stand in a hint that people type: nothing but names and a digest.
        image, digest, pull = table.needed("image"), table.needed("id"), table.text("pull")
        for name in filter(None, (image, pull)):
            Reference.parse(name)
        if not is_digest(digest):
            raise InvalidFile(f"{table.place('id')}: expected sha256: and 64 hexadecimal digits")
        return cls(image=image, id=digest, pull=pull)

    def check(self, name: str, found: str, what: str) -> None:
        """Raise `NotTrusted` unless the image called `name`, whose id is `found`, is this one."""
        if (self.image, self.id) == (name, found):
            return
        hint = (
            f"docker pull {self.pull} && docker tag {self.pull} {self.image}" if self.pull else "pybuild lock"
        )
        raise NotTrusted(
            f"{what} {name} is {found[:19]}…, but {NAME} pins {self.image} as {self.id[:19]}…",
            hint=f"take the pinned one: {hint}" if self.pull else f"pin what is there now: {hint}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A `pybuild.lock`. `buildpacks`: `id@version` of all in the builder, with the digest of each one's layer."""

    builder: Pinned
    run_image: Pinned
    buildpacks: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, builder: Builder, stored: StoredImage, run_name: str, run: StoredImage) -> Self:
        """What is there now."""
        return cls(
            builder=Pinned.of(builder.name, stored),
            run_image=Pinned.of(run_name, run),
            buildpacks=tuple((f"{each.id}@{each.version}", each.diff_id) for each in builder.buildpacks),
        )

    @classmethod
    def read(cls, text: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        table = toml.load(text, file=file)
        if table.integer("format") != _FORMAT:
            raise InvalidFile(f"{file}: format: expected {_FORMAT}", hint="make it anew: pybuild lock")
        return cls(
            builder=Pinned.read(table.table("builder")),
            run_image=Pinned.read(table.table("run-image")),
            buildpacks=tuple(
                (each.needed("id"), each.text("diff-id")) for each in table.tables("buildpacks")
            ),
        )

    def write(self) -> bytes:
        """The file's content; the same images give the same bytes."""
        return toml.dumps(
            {
                "format": _FORMAT,
                "builder": _pinned(self.builder),
                "run-image": _pinned(self.run_image),
                "buildpacks": [{"id": name, "diff-id": digest} for name, digest in self.buildpacks],
            }
        ).encode()

    def check(self, builder: Builder, run_name: str, run_id: str) -> None:
        """Raise `NotTrusted` for the first image that is not the pinned one."""
        self.builder.check(builder.name, builder.image_id, "the builder")
        self.run_image.check(run_name, run_id, "the run image")


def _pinned(image: Pinned) -> dict[str, object]:
    found: dict[str, object] = {"image": image.image, "id": image.id}
    return found | ({"pull": image.pull} if image.pull else {})


def lock(request: BuildRequest) -> tuple[Lock, bool]:
    """Pin what a build of this app would use now. The lock, and whether the file beside the app has changed."""
    from pybuild.platform.prepare import prepared
    from pybuild.stores.daemon import DaemonStore

    if not request.path.is_dir():
        raise InvalidInput(
            f"{request.path} is no folder that {NAME} could stand in", hint="pybuild lock --path FOLDER"
        )
    with prepared(replace(request, locked=False)) as ready:
        stored = DaemonStore(ready.client).find(ready.builder.image_id)
        run = ready.store.find(ready.run_image)
    if stored is None or run is None:
        raise BuilderUnusable(
            f"the builder {ready.builder.name} or the run image {ready.run_image} has gone", hint="try again"
        )
    found = Lock.of(ready.builder, stored, ready.run_image, run)
    return found, write_lock(request.path, found)


def read_lock(app: Path) -> Lock | None:
    """The lock beside an app; None where there is none."""
    path = app / NAME
    if not path.is_file():
        return None
    text = read_state(path, limit=_MAX)
    if text is None:
        raise InvalidFile(
            f"{path} is no readable regular file below 1 MiB", hint="make it anew: pybuild lock"
        )
    return Lock.read(text, str(path))


def write_lock(app: Path, lock: Lock) -> bool:
    """Write it; False when it said so already."""
    path, text = app / NAME, lock.write()
    if read_state(path, limit=_MAX) == text:
        return False
    try:
        write_state(path, text)
        path.chmod(0o644)
    except OSError as exc:
        raise InvalidInput(f"{path} cannot be written: {exc.strerror}", hint=f"ls -ld {app}") from exc
    return True
