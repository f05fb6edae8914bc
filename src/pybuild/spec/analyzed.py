"""What is known before a build: analyzed.toml, and the run images to choose from in run.toml or stack.toml.

Specification: platform.md, "analyzed.toml", "run.toml"; "stack.toml" below Platform API 0.12.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidFile
from pybuild.gojson import Struct
from pybuild.spec import toml
from pybuild.spec.labels import LifecycleMetadata
from pybuild.spec.run_image import RunImageName
from pybuild.spec.target import Target

if TYPE_CHECKING:
    from pybuild.spec.toml import Table

__all__ = ["Analyzed", "RunImage", "RunImageName", "RunToml", "StackToml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunImage:
    """The run image. `reference`: by digest, daemon id or layout path; `image`: the name it was asked for by."""

    reference: str = ""
    image: str = ""
    extend: bool = False
    target: Target | None = None

    @classmethod
    def read(cls, table: Table) -> Self:
        """From its table; raises `InvalidFile`."""
        target = table.optional_table("target")
        return cls(
            reference=table.text("reference"),
            image=table.text("image"),
            extend=table.flag("extend"),
            target=None if target is None else Target.read(target),
        )

    def tree(self) -> Struct:
        """Its table."""
        return Struct(
            reference=self.reference,
            image=self.image or None,
            extend=self.extend or None,
            target=self.target and self.target.write(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyzed:
    """analyzed.toml. `image_reference`: the previous image; "" for none; None when nobody looked.

    `metadata`: that of the previous image. `build_image`: a reference, where there are extensions.
    """

    image_reference: str | None = None
    metadata: LifecycleMetadata = field(default_factory=LifecycleMetadata)
    run_image: RunImage | None = None
    build_image: str | None = None

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        table = toml.load(data, file=file)
        image, build_image = table.optional_table("image"), table.optional_table("build-image")
        run_image = table.optional_table("run-image")
        return cls(
            image_reference=None if image is None else image.text("reference"),
            metadata=LifecycleMetadata.read_table(table.table("metadata")),
            run_image=None if run_image is None else RunImage.read(run_image),
            build_image=None if build_image is None else build_image.text("reference"),
        )

    def write(self) -> bytes:
        """The file."""
        tree = Struct(
            {
                "image": None if self.image_reference is None else Struct(reference=self.image_reference),
                "build-image": None if self.build_image is None else Struct(reference=self.build_image),
                "metadata": self.metadata.tree("toml"),
                "run-image": self.run_image and self.run_image.tree(),
            }
        )
        return toml.dumps(tree).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunToml:
    """run.toml: the run images of a builder, since Platform API 0.12."""

    images: tuple[RunImageName, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        table = toml.load(data, file=file)
        return cls(images=tuple(map(_named, table.tables("images"))))

    def write(self) -> bytes:
        """The file."""
        return toml.dumps(Struct(images=[image.tree() for image in self.images] or None)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackToml:
    """stack.toml: the one run image of a builder, below Platform API 0.12."""

    run_image: RunImageName = field(default_factory=RunImageName)

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile`."""
        return cls(run_image=_named(toml.load(data, file=file).table("run-image")))

    def write(self) -> bytes:
        """The file."""
        return toml.dumps(Struct({"run-image": self.run_image.tree()})).encode()


def _named(table: Table) -> RunImageName:
    name = RunImageName.read(table)
    if name.mirrors and not name.image:
        raise InvalidFile(f"{table.place('mirrors')}: mirrors of no image; expected image beside it")
    return name
