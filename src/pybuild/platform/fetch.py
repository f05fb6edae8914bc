"""`--buildpack` and the groups of project.toml: from the word a user wrote to buildpacks that can be installed.

A word is a folder, an archive (.tar, .tgz, .cnb), or `id[@version]` of a buildpack in the builder. URLs, images
and registry ids are refused with a word of their own.

Specification: project descriptor, "io.buildpacks.group"; forms of the word: GO-97.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import BuilderUnusable, InvalidFile, InvalidInput
from pybuild.gojson import Struct
from pybuild.oci import tar
from pybuild.platform import fetch_archive, modules
from pybuild.spec import toml
from pybuild.spec.names import check_id
from pybuild.spec.order import ModuleRef

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pybuild.platform.modules import Module
    from pybuild.spec.builder import Builder
    from pybuild.spec.project import GroupEntry, Script

INLINE_VERSION = "0.0.0"

_URN = "urn:cnb:builder:"
_REMOTE = re.compile(r"(https?|docker|oci|git|ftp)(\+\w+)?://|urn:cnb:registry:|from=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A buildpack of an order, and what has to be installed for it: nothing when the builder has it."""

    ref: ModuleRef
    modules: tuple[Module, ...] = ()

    def tar(self) -> Iterator[bytes]:
        """One archive with all of `modules`, to be unpacked at `/`."""
        for module in self.modules:
            yield from module.parts(buildpacks_dir=modules.BUILDPACKS_DIR.lstrip("/"))
        yield tar.TRAILER


def fetch(word: str, *, folder: Path, builder: Builder, scratch: Path) -> Fetched:
    """What a user's `--buildpack` means. Relative paths start at `folder`; `scratch`: for unpacked archives.

    A path that exists wins over an id. Raises `InvalidInput` for a word that means nothing here.
    """
    local = word.removeprefix("file://")
    path = folder / local
    if not word.startswith(_URN) and (local != word or path.exists()):
        return _from_path(path, word, scratch)
    if _REMOTE.match(word):
        raise InvalidInput(
            f"the buildpack {word} would have to be downloaded, which is not supported yet",
            hint="download it and pass its folder or archive: --buildpack ./buildpack.tgz",
        )
    return Fetched(ref=_in_builder(word.removeprefix(_URN), builder, folder))


def fetch_entry(entry: GroupEntry, *, app: Path, builder: Builder, scratch: Path) -> Fetched:
    """What an entry of project.toml means. Its `uri` may only name a place inside the folder `app`.

    The file comes with the app, so it may be a stranger's: nothing else of this machine is read for it.
    """
    if entry.script is not None:
        module = inline(entry.id, entry.script)
        return Fetched(ref=_ref(module), modules=(module,))
    if not entry.uri:
        word = f"{entry.id}@{entry.version}" if entry.version else entry.id
        return Fetched(ref=_in_builder(word, builder, app))
    if entry.uri.startswith(_URN):
        return Fetched(ref=_in_builder(entry.uri.removeprefix(_URN), builder, app))
    fetched = fetch(str(_inside(entry.uri, app)), folder=app, builder=builder, scratch=scratch)
    if entry.id and entry.id != fetched.ref.id:
        raise InvalidFile(f"project.toml: {entry.uri} is the buildpack {fetched.ref.id}, expected {entry.id}")
    return fetched


def inline(buildpack_id: str, script: Script) -> Module:
    """The buildpack that a `script` table of project.toml stands for; it always passes detection."""
    check_id(buildpack_id, "project.toml: io.buildpacks.group.id")
    descriptor = toml.dumps(
        Struct(api=script.api, buildpack=Struct(id=buildpack_id, version=INLINE_VERSION))
    ).encode()
    files = {
        "bin/detect": b"#!/bin/sh\nexit 0\n",
        "bin/build": f"#!{script.shell}\n\n{script.inline}\n".encode(),
    }
    return modules.from_files(descriptor, files, origin=f"script of {buildpack_id} in project.toml")


def _from_path(path: Path, word: str, scratch: Path) -> Fetched:
    if path.is_dir():
        module = modules.from_folder(path)
        return Fetched(ref=_ref(module), modules=(module,))
    if path.is_file():
        found = fetch_archive.read(path, scratch)
        return Fetched(ref=_ref(found[0]), modules=found)
    raise InvalidInput(f"the buildpack {word} is neither a folder nor an archive", hint=f"ls -ld {path}")


def _ref(module: Module) -> ModuleRef:
    return ModuleRef(id=module.descriptor.id, version=module.descriptor.version)


def _in_builder(word: str, builder: Builder, folder: Path) -> ModuleRef:
    buildpack_id, _, version = word.partition("@")
    present = builder.versions(buildpack_id)
    if not present:
        known = sorted({module.id for module in builder.buildpacks})
        raise InvalidInput(
            f"there is no buildpack {word}: no such path in {folder}, and the builder {builder.name} has none",
            hint=f"it has {', '.join(known[:12])}" if known else "pass a folder or archive",
        )
    if version and version not in present:
        raise InvalidInput(
            f"the builder {builder.name} has no version {version} of {buildpack_id}",
            hint=f"it has {', '.join(present)}",
        )
    if not version and len(present) > 1:
        raise BuilderUnusable(
            f"the builder {builder.name} has several versions of {buildpack_id}",
            hint=f"choose one: {', '.join(f'{buildpack_id}@{each}' for each in present)}",
        )
    return ModuleRef(id=buildpack_id, version=version or present[0])


def _inside(uri: str, app: Path) -> Path:
    """The place inside the app that a URI of project.toml names."""
    where = f"project.toml: the buildpack uri {uri!r}"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", uri) or uri.startswith("/") or "\0" in uri:
        raise InvalidFile(
            f"{where} must be a relative path inside the app",
            hint="put the buildpack into the app's repository, or pass it with --buildpack",
        )
    root = app.resolve()
    path = (root / uri).resolve()
    if not path.is_relative_to(root):
        raise InvalidFile(f"{where} leads out of the app", hint="pass it with --buildpack instead")
    if not path.exists():
        raise InvalidFile(f"{where} names nothing in the app")
    return path
