"""The recipe of base images, `builder/base/*.toml`: distribution, packages, users, and the labels that follow.

Specification: platform.md, "Build Image", "Run Image", "Target Data" (IMG-01 to IMG-06).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.spec import toml

if TYPE_CHECKING:
    from pybuild.spec.toml import Table

MAINTAINER = "pybuild"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one base has of its own. `kind`: "run" or "build"; `user` and `uid`: who runs in it."""

    kind: str
    description: str
    packages: tuple[str, ...]
    user: str
    uid: int

    @classmethod
    def read(cls, kind: str, table: Table) -> Self:
        """From the recipe's table `[run]` or `[build]`."""
        return cls(
            kind=kind,
            description=table.needed("description"),
            packages=table.texts("packages"),
            user=table.needed("user"),
            uid=table.integer("uid"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Run and build base of one distribution. `image`: a registry's image of its root file system.

    `sources`: the lines of sources.list that the images keep. `digest`: of the recipe's text.
    """

    name: str
    distro: str
    version: str
    suite: str
    homepage: str
    image: str
    sources: tuple[str, ...]
    leave_out: tuple[str, ...]
    keep: tuple[str, ...]
    run: Stage
    build: Stage
    group: str
    gid: int
    digest: str

    @classmethod
    def read(cls, data: bytes, *, file: str) -> Self:
        """Read a recipe; raises `InvalidFile`."""
        table = toml.load(data, file=file)
        suite = table.needed("suite")
        return cls(
            name=table.needed("name"),
            distro=table.needed("distro"),
            version=table.needed("version"),
            suite=suite,
            homepage=table.text("homepage"),
            image=table.needed("image"),
            sources=tuple(line.replace("{suite}", suite) for line in table.texts("sources")),
            leave_out=table.texts("leave-out"),
            keep=table.texts("keep"),
            run=Stage.read("run", table.table("run")),
            build=Stage.read("build", table.table("build")),
            group=table.table("group").needed("name"),
            gid=table.table("group").integer("gid"),
            digest=hashlib.sha256(data).hexdigest(),
        )

    @property
    def base_id(self) -> str:
        """The target ID of both bases: reverse domain style, letters, digits, dots and dashes (IMG-05)."""
        return f"io.pybuild.{self.name}"

    def image_name(self, kind: str) -> str:
        """`pybuild/run:debian-12`, `pybuild/build:debian-12`, `pybuild/builder:debian-12`."""
        return f"pybuild/{kind}:{self.name}"

    def labels(self, stage: Stage, released: str) -> dict[str, str]:
        """The labels of a base, with those that platforms before 0.12 read. `released`: a date."""
        labels = {
            "io.buildpacks.base.maintainer": MAINTAINER,
            "io.buildpacks.base.homepage": self.homepage,
            "io.buildpacks.base.released": released,
            "io.buildpacks.base.description": stage.description,
            "io.buildpacks.base.distro.name": self.distro,
            "io.buildpacks.base.distro.version": self.version,
            "io.buildpacks.stack.id": self.base_id,
        }
        if stage.kind == "run":
            labels["io.buildpacks.base.id"] = self.base_id
            labels["io.buildpacks.rebasable"] = "true"
        return labels

    def environ(self, stage: Stage) -> dict[str, str]:
        """The image's own variables; those with CNB_ only in the build base."""
        environ = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        if stage.kind == "build":
            environ |= {
                "CNB_USER_ID": str(stage.uid),
                "CNB_GROUP_ID": str(self.gid),
                "CNB_STACK_ID": self.base_id,
            }
        return environ
