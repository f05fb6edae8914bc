"""The buildpacks and extensions of a build environment, found in their folders and read once.

Specification: platform.md, "Buildpacks Directory Layout" and "Extensions Directory Layout";
buildpack.md, "Buildpack API Compatibility".
"""

from __future__ import annotations

import glob
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pybuild.buildenv.api import Refused
from pybuild.errors import BuilderUnusable, InvalidFile
from pybuild.spec.api import ApiVersion, check_buildpack_api
from pybuild.spec.buildpack import Descriptor, escape_id
from pybuild.spec.target import TargetSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pybuild.buildenv.api import BuildEnv

Kind = Literal["buildpack", "extension"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One buildpack or extension. `root`: its folder. `has_build`: as `Modules.read` was asked to look.

    `has_detect`, `has_generate`: known for extensions only.

    `plan`: content of an extension's detect/plan.toml, which stands for a missing bin/detect.
    """

    descriptor: Descriptor
    root: str
    has_build: bool = True
    has_detect: bool = True
    has_generate: bool = True
    plan: bytes = b""

    @property
    def api(self) -> ApiVersion:
        """The Buildpack API that it asks for; `InvalidInput` if that is no version."""
        return ApiVersion.parse(self.descriptor.api)

    @property
    def targets(self) -> tuple[TargetSpec, ...]:
        """What it runs on: as it declares, else Linux if it has programs for that; empty is anything.

        buildpack.md, "Targets".
        """
        if self.descriptor.targets:
            return self.descriptor.targets
        is_buildpack = self.descriptor.kind == "buildpack"
        has_programs = self.has_build if is_buildpack else self.has_detect or self.has_generate
        return (TargetSpec(os="linux"),) if has_programs else ()

    def check_api(self) -> None:
        """Raise `BuildpackApiUnsupported` unless we speak the Buildpack API that it asks for."""
        check_buildpack_api(self.descriptor.api, str(self))

    def __str__(self) -> str:
        return f"{self.descriptor.kind} {self.descriptor.id}@{self.descriptor.version}"


class Modules:
    """All modules below two folders; a descriptor is parsed when it is first asked for.

    `files`: what `Modules.read` got, with the `extras` that came along to save a round trip.
    """

    def __init__(
        self,
        files: Mapping[str, bytes | Refused],
        *,
        buildpacks_dir: str,
        extensions_dir: str,
        looked_for_build: bool = False,
    ) -> None:
        self.files = files
        self._looked_for_build = looked_for_build
        self._dirs: dict[Kind, str] = {"buildpack": buildpacks_dir, "extension": extensions_dir}
        self._found: dict[tuple[Kind, str, str], Module] = {}

    @classmethod
    def read(
        cls,
        env: BuildEnv,
        *,
        buildpacks_dir: str,
        extensions_dir: str = "",
        extras: Iterable[str] = (),
        look_for_build: bool = False,
    ) -> Modules:
        """Read every descriptor, and the files `extras` names besides, in one round trip.

        `look_for_build`: see which buildpacks have a bin/build; without it all are taken to have one.
        """
        patterns = [f"{glob.escape(buildpacks_dir)}/*/*/buildpack.toml", *extras]
        if look_for_build:
            patterns.append(f"{glob.escape(buildpacks_dir)}/*/*/bin/build")
        if extensions_dir:
            root = f"{glob.escape(extensions_dir)}/*/*"
            names = ("extension.toml", "bin/detect", "bin/generate", "detect/plan.toml")
            patterns += [f"{root}/{name}" for name in names]
        files = env.read_files(patterns)
        return cls(
            files,
            buildpacks_dir=buildpacks_dir,
            extensions_dir=extensions_dir,
            looked_for_build=look_for_build,
        )

    def find(self, kind: Kind, id: str, version: str) -> Module:  # noqa: A002 — the specification's word
        """The module in `<folder>/<escaped id>/<version>`.

        `BuilderUnusable` when it is not there, `InvalidFile` when its descriptor cannot be read.
        """
        key = (kind, id, version)
        if key not in self._found:
            self._found[key] = self._read(kind, id, version)
        return self._found[key]

    def _read(self, kind: Kind, id: str, version: str) -> Module:  # noqa: A002
        root = f"{self._dirs[kind]}/{escape_id(id)}/{version}"
        path = f"{root}/{kind}.toml"
        content = self.files.get(path)
        if content is None:
            raise BuilderUnusable(
                f"the order names {kind} {id}@{version}, but there is no {path}",
                hint=f"add the {kind} to the builder, or take it out of the order",
            )
        if isinstance(content, Refused):
            raise InvalidFile(f"{path}: {content.why}")
        descriptor = Descriptor.read(content, path, kind=kind)
        if kind == "buildpack":
            has_build = not self._looked_for_build or f"{root}/bin/build" in self.files
            return Module(descriptor=descriptor, root=root, has_build=has_build)
        plan = self.files.get(f"{root}/detect/plan.toml", b"")
        if isinstance(plan, Refused):
            raise InvalidFile(f"{root}/detect/plan.toml: {plan.why}")
        return Module(
            descriptor=descriptor,
            root=root,
            has_detect=f"{root}/bin/detect" in self.files,
            has_generate=f"{root}/bin/generate" in self.files,
            plan=plan,
        )
