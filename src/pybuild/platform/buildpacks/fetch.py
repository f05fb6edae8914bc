"""`--buildpack` and the groups of project.toml: from the word a user wrote to buildpacks that can be installed.

A word is a folder, an archive (.tar, .tgz, .cnb) or a URL of one, an image, an id in a buildpack registry, or
`id[@version]` of a buildpack in the builder.

Specification: project descriptor, "io.buildpacks.group"; forms of the word: GO-97.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import BuilderUnusable, InvalidFile, InvalidInput
from pybuild.gojson import Struct
from pybuild.oci import tar
from pybuild.platform.buildpacks import fetch_archive, modules
from pybuild.platform.buildpacks.locator import locate
from pybuild.platform.buildpacks.shipped import carried
from pybuild.spec import toml
from pybuild.spec.names import check_id
from pybuild.spec.order import ModuleRef
from pybuild.spec.package_toml import PackageToml
from pybuild.spec.registry_index import RegistryId

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pybuild.platform.buildpacks.modules import Kind, Module
    from pybuild.platform.buildpacks.remote import Remote
    from pybuild.spec.builder import Builder, BuilderModule
    from pybuild.spec.project import GroupEntry, Script

INLINE_VERSION = "0.0.0"

# What project.toml may name outside of the app: nothing on this machine, and nothing without TLS.
_ELSEWHERE = ("urn:cnb:builder:", "urn:cnb:registry:", "docker:/", "https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A buildpack of an order, and what has to be installed for it: nothing when the builder has it."""

    ref: ModuleRef
    modules: tuple[Module, ...] = ()

    def tar(self) -> Iterator[bytes]:
        """One archive with all of `modules`, to be unpacked at `/`."""
        for module in self.modules:
            yield from module.parts(absolute=False)
        yield tar.TRAILER


def fetch(
    word: str,
    *,
    folder: Path,
    builder: Builder | None,
    scratch: Path,
    remote: Remote | None = None,
    kind: Kind = "buildpack",
) -> Fetched:
    """What a user's `--buildpack` means. Relative paths start at `folder`; `scratch`: for unpacked archives.

    `builder` None: there is none to find an id in. `remote` None: nothing outside of this machine is asked. Raises
    `InvalidInput` for a word that means nothing here.
    """
    known = _known(builder, kind)
    found = locate(word, folder=folder, in_builder={module.id for module in known})
    if found.kind == "path":
        return _from_path(folder / found.rest, word, scratch, remote, kind)
    if found.kind == "whole builder":
        raise InvalidInput(f"{word} stands for the builder's own order: it may be in the list once")
    if found.kind == "builder":
        return Fetched(ref=_in_builder(found.rest, builder, kind, folder))
    bare = found.kind in ("registry", "image") and found.rest == word
    if found.kind == "unknown" or (remote is None and bare):
        raise _unknown(word, builder, known, folder, kind)
    if remote is None:
        raise InvalidInput(
            f"the {kind} {word} is not on this machine", hint=f"pass the folder or archive of a {kind}"
        )
    if found.kind == "url":
        return _fetched(fetch_archive.read(remote.file(found.rest), scratch, kind=kind))
    name = _address(found.rest, remote, builder, kind) if found.kind == "registry" else found.rest
    return _fetched(remote.package(name, scratch, kind=kind))


def fetch_entry(
    entry: GroupEntry, *, app: Path, builder: Builder, scratch: Path, remote: Remote | None = None
) -> Fetched:
    """What an entry of project.toml means. Of this machine, its `uri` may only name a place inside the folder `app`.

    The file comes with the app, so it may be a stranger's: nothing else of this machine is read for it.
    """
    if entry.script is not None:
        module = inline(entry.id, entry.script)
        return Fetched(ref=_ref(module), modules=(module,))
    if not entry.uri:
        word = f"{entry.id}@{entry.version}" if entry.version else entry.id
        if entry.id in {module.id for module in builder.buildpacks} or not RegistryId.looks_like(word):
            return Fetched(ref=_in_builder(word, builder, "buildpack", app))
        return fetch(f"urn:cnb:registry:{word}", folder=app, builder=builder, scratch=scratch, remote=remote)
    elsewhere = entry.uri.startswith(_ELSEWHERE)
    word = entry.uri if elsewhere else str(_inside(entry.uri, app))
    fetched = fetch(word, folder=app, builder=builder, scratch=scratch, remote=remote)
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


def _from_path(path: Path, word: str, scratch: Path, remote: Remote | None, kind: Kind) -> Fetched:
    if path.is_dir():
        main = modules.from_folder(path, kind=kind, extra=carried(path) if kind == "buildpack" else {})
        return _fetched((main, *_beside(path, scratch, remote)))
    if path.is_file():
        return _fetched(fetch_archive.read(path, scratch, kind=kind))
    raise InvalidInput(f"the {kind} {word} is neither a folder nor an archive", hint=f"ls -ld {path}")


def _beside(folder: Path, scratch: Path, remote: Remote | None) -> Iterator[Module]:
    """What the package.toml in a folder says that its buildpack needs."""
    file = folder / "package.toml"
    if file.is_file():
        for uri in PackageToml.read(file.read_bytes(), str(file)).dependencies:
            yield from fetch(uri, folder=folder, builder=None, scratch=scratch, remote=remote).modules


def _fetched(found: tuple[Module, ...]) -> Fetched:
    return Fetched(ref=_ref(found[0]), modules=found)


def _ref(module: Module) -> ModuleRef:
    return ModuleRef(id=module.descriptor.id, version=module.descriptor.version)


def _address(word: str, remote: Remote, builder: Builder | None, kind: Kind) -> str:
    """The image of a registry's id; where there is none, a word on the builder, which most people mean."""
    try:
        return remote.address(word)
    except InvalidInput as exc:
        known = ", ".join(sorted({module.id for module in _known(builder, kind)})[:12])
        if builder is not None and known:
            exc.hint = f"the builder {builder.name} has {known}"
        raise


def _known(builder: Builder | None, kind: Kind) -> tuple[BuilderModule, ...]:
    if builder is None:
        return ()
    return builder.buildpacks if kind == "buildpack" else builder.extensions


def _unknown(
    word: str, builder: Builder | None, present: Sequence[BuilderModule], folder: Path, kind: Kind
) -> InvalidInput:
    known = sorted({module.id for module in present})
    where = f"no such path in {folder}"
    if builder is not None:
        where += f", and the builder {builder.name} has none"
    return InvalidInput(
        f"there is no {kind} {word}: {where}",
        hint=f"it has {', '.join(known[:12])}" if known else "pass a folder or archive",
    )


def _in_builder(word: str, builder: Builder | None, kind: Kind, folder: Path) -> ModuleRef:
    module_id, _, version = word.partition("@")
    present = tuple(each.version for each in _known(builder, kind) if each.id == module_id)
    if builder is None or not present:
        raise _unknown(word, builder, _known(builder, kind), folder, kind)
    if version and version not in present:
        raise InvalidInput(
            f"the builder {builder.name} has no version {version} of {module_id}",
            hint=f"it has {', '.join(present)}",
        )
    if not version and len(present) > 1:
        raise BuilderUnusable(
            f"the builder {builder.name} has several versions of {module_id}",
            hint=f"choose one: {', '.join(f'{module_id}@{each}' for each in present)}",
        )
    return ModuleRef(id=module_id, version=version or present[0])


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
