"""The restorer: layers and metadata of earlier builds back into the layers directory.

Specification: platform.md, "restorer".
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.cli.phases.analyze import by_id, check_images, listed_run_image, read_run_images, reference_of
from pybuild.cli.phases.caches import Caches, warn_without_cache
from pybuild.cli.phases.run import read_analyzed, read_file, write_file
from pybuild.errors import InvalidArchive, InvalidInput, RegistryError, RestoreError
from pybuild.events import detail
from pybuild.lifecycle import sparse
from pybuild.lifecycle.analyze import image_target
from pybuild.lifecycle.cached_layers import restore_from
from pybuild.lifecycle.restore import RestoreInputs
from pybuild.spec.api import ApiVersion, check_buildpack_api
from pybuild.spec.order import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.buildenv.api import BuildEnv
    from pybuild.cli.phases.run import PhaseRun
    from pybuild.spec.analyzed import Analyzed
    from pybuild.stores.api import ImageStore, LayerCache, StoredImage

KANIKO_DIR = "/kaniko"
"""The volume through which restorer and extender share what base images are, and extenders their layers (RST-14)."""

_EXTENSIONS_SINCE = ApiVersion(0, 10)
_EXTENDS_RUN_SINCE = ApiVersion(0, 12)
_MIRRORS_SINCE = ApiVersion(0, 14)


def restorer(run: PhaseRun) -> None:
    """The phase."""
    inputs = run.inputs
    if inputs.images:
        raise InvalidInput(f"failed to parse arguments: received unexpected Args: {' '.join(inputs.images)}")
    check_images(run, [])
    warn_without_cache(run)
    group = read_file(inputs.group, Group.read)
    check_group(group)
    # Images are looked at only for extensions, and where the platform names one: nobody else needs the engine here.
    found = read_analyzed(run)
    mirrors = _mirrors(run, group, found)
    run = replace(run, mentioned=(*images_of(found), *mirrors))
    named = inputs.build_image if run.api >= _EXTENSIONS_SINCE else ""
    extends = found.run_image is not None and found.run_image.extend
    open_store = run.image_store() if group.extensions or named or extends else None
    caches = Caches(run, open_store)
    run.drop_privileges(inputs.layers, inputs.cache_dir, KANIKO_DIR)
    analyzed = found
    if open_store and run.api >= _EXTENSIONS_SINCE:
        with run.registry_failing_as(RestoreError):
            store = open_store()
            analyzed = _with_build_image(run, found, store)
            if found.run_image and (group.extensions or extends):
                analyzed = _looked_up(run, analyzed, store, mirrors)
    write_file(inputs.analyzed, analyzed.write())
    restore_layers(run, LocalBuildEnv(), group, analyzed, caches.open())


def images_of(analyzed: Analyzed) -> tuple[str, ...]:
    """The images that an earlier phase named."""
    run_image = analyzed.run_image
    names = (run_image.reference, run_image.image) if run_image else ()
    return tuple(filter(None, (analyzed.image_reference, analyzed.build_image, *names)))


def check_group(group: Group) -> None:
    """`BuildpackApiUnsupported` (12) for a buildpack whose API we do not speak."""
    for element in group.buildpacks:
        check_buildpack_api(element.api, f"buildpack {element}")


def restore_layers(
    run: PhaseRun, env: BuildEnv, group: Group, analyzed: Analyzed, cache: LayerCache | None
) -> None:
    """Bring back what the group's buildpacks may use."""
    restore_from(
        env,
        RestoreInputs(
            group=group,
            layers_dir=run.inputs.layers,
            platform_api=run.api,
            previous=analyzed.metadata,
            cache=None,
            skip_layers=run.inputs.skip_layers,
        ),
        cache,
    )


def _mirrors(run: PhaseRun, group: Group, analyzed: Analyzed) -> tuple[str, ...]:
    """Other names of the run image, which the builder knows: RST-12. Only an extension's choice is looked up here."""
    image = analyzed.run_image
    if image is None or not image.image or not group.extensions or run.api < _MIRRORS_SINCE:
        return ()
    known = listed_run_image(read_run_images(run), image.image)
    return tuple(name for name in (known.image, *known.mirrors) if name != image.image) if known else ()


def base_folder(reference: str) -> str:
    """Where the restorer leaves for the extender what it knows of an image, and nothing of its layers (GO-12)."""
    return f"{KANIKO_DIR}/cache/base/{_digest_of(reference)}"


def _digest_of(reference: str) -> str:
    """`sha256:…` of a complete reference, or of an engine's ID, which may lack the first word."""
    digest = reference.rpartition("@")[2]
    return digest if ":" in digest else f"sha256:{digest}"


def _looked_up(run: PhaseRun, analyzed: Analyzed, store: ImageStore, mirrors: Sequence[str]) -> Analyzed:
    """`analyzed` with the reference and target of a run image that an extension chose; it is kept for the extender if
    it is to be extended (RST-12, RST-13).
    """
    image = analyzed.run_image
    assert image is not None
    extends = image.extend and run.api >= _EXTENDS_RUN_SINCE
    if not extends and image.target and image.target.os:
        return analyzed
    found = (_first(store, (image.image, *mirrors)) if mirrors else None) or _found(
        run, store, image.image or image.reference, "run"
    )
    if extends:
        _keep(found)
    target = image_target(found) if run.api.minor >= 12 else None
    return replace(analyzed, run_image=replace(image, reference=reference_of(found), target=target))


def _with_build_image(run: PhaseRun, analyzed: Analyzed, store: ImageStore) -> Analyzed:
    """`analyzed` with the build image, if the platform names it; it is kept for the extender (RST-11)."""
    if not run.inputs.build_image:
        return analyzed
    found = _found(run, store, run.inputs.build_image, "build")
    _keep(found)
    return replace(analyzed, build_image=reference_of(found))


def _first(store: ImageStore, names: Sequence[str]) -> StoredImage | None:
    """The first image that can be had; which one could not, and why, is told of the first name only, later."""
    for name in names:
        try:
            if found := store.find(by_id(name)):
                return found
        except (RegistryError, InvalidArchive) as exc:
            detail(f"{name}: {exc}")
    return None


def _found(run: PhaseRun, store: ImageStore, name: str, kind: str) -> StoredImage:
    found = store.find(by_id(name))
    if found is None:
        raise RestoreError(
            f"the {kind} image {name!r} was not found",
            hint=f"docker pull {name}" if run.inputs.daemon else f"docker push {name}",
        )
    return found


def _keep(image: StoredImage) -> None:
    """Leave the image's configuration, without layers, for the extender; without /kaniko there will be none."""
    if not Path(KANIKO_DIR).is_dir():
        return
    folder = Path(base_folder(reference_of(image)))
    # What the layers are called when they are compressed matters to nobody who reads this.
    layers = [sparse.descriptor(sparse.TAR_LAYER, diff_id, 0) for diff_id in image.diff_ids]
    try:
        sparse.write(str(folder.parent), image.config, layers, {}, name=folder.name)
    except OSError as exc:
        raise RestoreError(
            f"{folder}: cannot be written: {exc.strerror}", hint=f"mount a volume at {KANIKO_DIR}"
        ) from exc
