"""Analyze: what the previous image was made of, and what the new one will stand on.

Specification: platform.md, "analyzer", "analyzed.toml", "Target Data"; buildpack.md, "Phase #2: Analysis".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import AnalyzeError, InvalidArchive, InvalidFile
from pybuild.events import detail, info, warn
from pybuild.spec.labels import LIFECYCLE_METADATA, LifecycleMetadata
from pybuild.spec.target import Distro, Target

if TYPE_CHECKING:
    from pybuild.oci.reference import Reference
    from pybuild.stores.api import ImageStore, StoredImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """`previous`, `metadata`: None without a previous image whose label can be read.

    `target`: what the run image says that it is.
    """

    run_image: StoredImage
    run_image_name: str
    target: Target
    previous: StoredImage | None = None
    metadata: LifecycleMetadata | None = None


def analyze(
    store: ImageStore, *, previous: Reference | str, run_image: str, absent: StoredImage | None = None
) -> Analysis:
    """Look at both images. A missing previous image is no error (ANA-05); a missing run image is, without `absent`,
    which then stands for it.
    """
    base = store.find(run_image)
    if base is None and absent is not None:
        info(f'Image with name "{run_image}" not found')
        base = absent
    if base is None:
        raise AnalyzeError(
            f"the run image {run_image!r} was not found",
            hint=f"docker pull {run_image}, or name another one with --run-image",
        )
    found = _previous_image(store, previous)
    metadata = None
    if found is None:
        info(f'Image with name "{previous}" not found')
    else:
        metadata = _previous_metadata(found, str(previous))
    return Analysis(
        run_image=base,
        run_image_name=run_image,
        target=image_target(base),
        previous=found,
        metadata=metadata,
    )


def _previous_image(store: ImageStore, name: Reference | str) -> StoredImage | None:
    try:
        return store.find(name)
    except (InvalidFile, InvalidArchive) as exc:
        # A damaged one must not stand in the way of the next good one (F-14).
        warn(f"nothing of the previous image {name} is reused: {exc}")
        return None


def _previous_metadata(image: StoredImage, name: str) -> LifecycleMetadata | None:
    # Whoever wrote that label, the next build must not fail because of it (S-28, GO-72).
    label = image.labels.get(LIFECYCLE_METADATA)
    if label is None:
        detail(f"{name} was not built from buildpacks: nothing of it is reused")
        return None
    try:
        return LifecycleMetadata.read(label)
    except InvalidFile as exc:
        warn(f"nothing of the previous image {name} is reused: {exc}")
        return None


def image_target(image: StoredImage) -> Target:
    """What `image` says it is, in the words of the specification's target data.

    The distribution is None without its labels; detection then reads it from the build environment (ANT-04).
    """
    config = image.config
    return Target(
        os=_text(config.get("os")),
        arch=_text(config.get("architecture")),
        variant=_text(config.get("variant")),
        distro=_labelled_distro(image),
        id=image.labels.get("io.buildpacks.base.id", ""),
    )


def _labelled_distro(image: StoredImage) -> Distro | None:
    name = image.labels.get("io.buildpacks.base.distro.name", "")
    version = image.labels.get("io.buildpacks.base.distro.version", "")
    return Distro(name=name, version=version) if name or version else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
