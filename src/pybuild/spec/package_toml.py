"""package.toml: of which buildpacks a buildpackage is made. Specification: pack's format, PKG-07.

Nobody but a person writes this file, so a key that means nothing is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidFile
from pybuild.spec import toml
from pybuild.spec.target import TargetSpec

if TYPE_CHECKING:
    from pybuild.spec.toml import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageToml:
    """The file. `uri`: of the buildpack or extension itself; `dependencies`: where the others of a composite are."""

    uri: str
    extension: bool = False
    dependencies: tuple[str, ...] = ()
    targets: tuple[TargetSpec, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile` with the place."""
        table = toml.load(data, file=file).only(
            "buildpack", "extension", "dependencies", "platform", "targets"
        )
        buildpack, extension = (
            table.table(key).only("uri").text("uri") for key in ("buildpack", "extension")
        )
        if bool(buildpack) == bool(extension):
            raise InvalidFile(
                f"{table.place('buildpack.uri')}: expected one of buildpack.uri and extension.uri",
                hint='add: [buildpack] uri = "."',
            )
        operating_system = table.table("platform").only("os").text("os") or "linux"
        if operating_system != "linux":
            raise InvalidFile(f'{table.place("platform.os")}: expected "linux", found {operating_system!r}')
        return cls(
            uri=buildpack or extension,
            extension=bool(extension),
            dependencies=tuple(map(_dependency, table.tables("dependencies"))),
            targets=tuple(
                TargetSpec.read(each.only("os", "arch", "variant", "arch-variant", "distros"))
                for each in table.tables("targets")
            ),
        )


def _dependency(table: Table) -> str:
    table.only("uri", "image")
    uri, image = table.text("uri"), table.text("image")
    if bool(uri) == bool(image):
        raise InvalidFile(f"{table.place('uri')}: expected one of uri and image")
    return uri or f"docker://{image}"
