"""The restorer: layers and metadata of earlier builds back into the layers directory.

Specification: platform.md, "restorer".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.cli.phase_analyze import by_id, check_images, reference_of
from pybuild.cli.phase_caches import Caches, warn_without_cache
from pybuild.cli.phase_run import read_analyzed, read_file, write_file
from pybuild.errors import InvalidInput, RestoreError
from pybuild.lifecycle.analyze import image_target
from pybuild.lifecycle.cached_layers import restore_from
from pybuild.lifecycle.restore import RestoreInputs
from pybuild.spec.api import check_buildpack_api
from pybuild.spec.order import Group

if TYPE_CHECKING:
    from pybuild.buildenv.api import BuildEnv
    from pybuild.cli.phase_run import PhaseRun
    from pybuild.spec.analyzed import Analyzed
    from pybuild.stores.api import ImageStore, LayerCache


def restorer(run: PhaseRun) -> None:
    """The phase."""
    inputs = run.inputs
    if inputs.images:
        raise InvalidInput(f"failed to parse arguments: received unexpected Args: {' '.join(inputs.images)}")
    check_images(run, [])
    warn_without_cache(run)
    group = read_file(inputs.group, Group.read)
    check_group(group)
    # Images are looked at only for extensions: nobody else needs the engine here.
    found = read_analyzed(run)
    run = replace(run, mentioned=images_of(found))
    open_store = run.image_store() if group.extensions else None
    caches = Caches(run, open_store)
    run.drop_privileges(inputs.layers, inputs.cache_dir)
    with run.registry_failing_as(RestoreError):
        analyzed = _looked_up(run, group, found, open_store() if open_store else None)
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


def _looked_up(run: PhaseRun, group: Group, analyzed: Analyzed, store: ImageStore | None) -> Analyzed:
    """`analyzed` with the reference and target of a run image that an extension chose (RST-12)."""
    image = analyzed.run_image
    if image is None or run.api.minor < 10:
        return analyzed
    if image.extend or (run.inputs.build_image and group.extensions):
        raise RestoreError(
            "the group has image extensions with Dockerfiles to apply, and there is no extender yet",
            hint="build without these extensions",
        )
    if not group.extensions or (image.target and image.target.os):
        return analyzed
    assert store is not None
    found = store.find(by_id(image.image or image.reference))
    if found is None:
        raise RestoreError(
            f"the run image {image.image!r} was not found",
            hint=f"docker pull {image.image}" if run.inputs.daemon else f"docker push {image.image}",
        )
    target = image_target(found) if run.api.minor >= 12 else None
    return replace(analyzed, run_image=replace(image, reference=reference_of(found), target=target))
