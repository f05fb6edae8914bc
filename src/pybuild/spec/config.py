"""What a user has settled for all builds: our config.toml, with the keys and the shape of `pack`'s.

So one file can be taken for the other, and keys that we do not know stay as they are (docs/adr/0011).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from pybuild.spec import toml
from pybuild.spec.run_image import RunImageName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.spec.toml import Table

OFFICIAL = "official"
REGISTRY_TYPES = ("github", "git")

_KNOWN = {
    "default-builder-image",
    "pull-policy",
    "experimental",
    "run-images",
    "trusted-builders",
    "registries",
    "default-registry",
    "lifecycle-image",
    "registry-mirrors",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRegistry:
    """A registry of buildpacks: a git repository with an index of them."""

    name: str
    type: str
    url: str

    @classmethod
    def read(cls, table: Table) -> Self:
        """From an entry of `[[registries]]`."""
        kind = table.text("type") or REGISTRY_TYPES[0]
        if kind not in REGISTRY_TYPES:
            raise InvalidFile(
                f"{table.place('type')}: expected one of {', '.join(REGISTRY_TYPES)}, found {kind!r}"
            )
        return cls(name=table.needed("name"), type=kind, url=table.needed("url"))


OFFICIAL_REGISTRY = IndexRegistry(
    name=OFFICIAL, type="github", url="https://github.com/buildpacks/registry-index"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings; "" and empty ones are not set. `registry_mirrors`: from a registry, or `*`, to the host asked instead.

    `run_images`: mirrors of run images that are preferred to those that builders name. `other`: keys that are not ours.
    """

    default_builder: str = ""
    pull_policy: str = ""
    lifecycle_image: str = ""
    experimental: bool = False
    trusted_builders: tuple[str, ...] = ()
    run_images: tuple[RunImageName, ...] = ()
    registry_mirrors: Mapping[str, str] = field(default_factory=dict)
    registries: tuple[IndexRegistry, ...] = ()
    default_registry: str = ""
    other: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """The settings in `data`. Raises `InvalidFile`, naming file and key."""
        table = toml.load(data, file=file)
        mirrors = table.table("registry-mirrors")
        return cls(
            default_builder=table.text("default-builder-image"),
            pull_policy=table.text("pull-policy"),
            lifecycle_image=table.text("lifecycle-image"),
            experimental=table.flag("experimental"),
            trusted_builders=tuple(each.needed("name") for each in table.tables("trusted-builders")),
            run_images=tuple(map(RunImageName.read, table.tables("run-images"))),
            registry_mirrors={name: mirrors.needed(name) for name in mirrors},
            registries=tuple(map(IndexRegistry.read, table.tables("registries"))),
            default_registry=table.text("default-registry"),
            other={key: value for key, value in table.raw().items() if key.casefold() not in _KNOWN},
        )

    def write(self) -> bytes:
        """The file: what is set, in `pack`'s order, then what is not ours."""
        tree = Struct(
            {
                "default-registry": self.default_registry,
                "default-builder-image": self.default_builder,
                "pull-policy": self.pull_policy,
                "experimental": self.experimental,
                "run-images": [each.tree() for each in self.run_images],
                "trusted-builders": [Struct(name=name) for name in self.trusted_builders],
                "registries": [
                    Struct(name=each.name, type=each.type, url=each.url) for each in self.registries
                ],
                "lifecycle-image": self.lifecycle_image,
                "registry-mirrors": dict(self.registry_mirrors),
            }
        )
        kept = Struct({key: value for key, value in tree.items() if value})
        return toml.dumps(Struct({**kept, **self.other})).encode()

    @property
    def all_registries(self) -> tuple[IndexRegistry, ...]:
        """Those of the user, then the official one."""
        return (*self.registries, OFFICIAL_REGISTRY)

    def registry(self, name: str = "") -> IndexRegistry | None:
        """The registry of buildpacks of that name; of "" the default one. None if there is none."""
        wanted = name or self.default_registry or OFFICIAL
        return next((each for each in self.all_registries if each.name == wanted), None)

    def mirrors_of(self, run_image: str) -> tuple[str, ...]:
        """The user's mirrors of a run image."""
        return next((each.mirrors for each in self.run_images if each.image == run_image), ())
