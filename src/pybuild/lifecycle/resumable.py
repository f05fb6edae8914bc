"""What a failed build leaves to the next one: layers that are whole at any time, as a tool's own cache is.

A buildpack says so with `resumable = true` in the metadata of a layer that is cached and not launched, in a `<layer>.toml`
that it writes before it begins to fill it. Of a build that failed nothing else is believed: docs/adr/0019.
"""

from __future__ import annotations

import glob
import posixpath
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.errors import InvalidFile, PybuildError
from pybuild.lifecycle.cache import CacheIndex, KeptLayer
from pybuild.spec.layer import LayerToml
from pybuild.spec.names import check_layer_name, escape_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pybuild.buildenv.api import BuildEnv, Listing
    from pybuild.lifecycle.build import BuiltBuildpack
    from pybuild.lifecycle.buildpacks import Module

KEY = "resumable"

Resumable = dict[str, dict[str, KeptLayer]]
"""By buildpack id, then layer name."""


def hand_on(
    resume: Callable[[Resumable], None],
    env: BuildEnv,
    layers_dir: str,
    ended: Sequence[BuiltBuildpack],
    failed: Module | None = None,
) -> None:
    """Tell `resume` what `resumable_layers` finds; nothing when that fails: what is not remembered is made again."""
    with suppress(PybuildError):
        resume(resumable_layers(env, layers_dir, ended, failed))


def resumable_layers(
    env: BuildEnv, layers_dir: str, ended: Sequence[BuiltBuildpack], failed: Module | None = None
) -> Resumable:
    """The layers to keep of a build in which the buildpacks `ended` succeeded and `failed` did not; two round trips.

    `failed`: None if all succeeded, and the image could not be written. What one of `ended` made is kept only if nothing in it has changed since: later buildpacks have no business there.
    """
    # After the last one there was nobody who could have changed anything.
    last = ended[-1:] if failed is None else ()
    wanted: list[tuple[str, str, LayerToml, int]] = [
        (each.module.id, layer.name, layer.toml, each.left.moment)
        for each in ended
        if each.left.moment or each in last
        for layer in each.layers
    ]
    if failed is not None:
        wanted += [(failed.descriptor.id, name, toml, 0) for name, toml in _declared(env, layers_dir, failed)]
    wanted = [each for each in wanted if _is_resumable(each[2])]
    paths = [f"{layers_dir}/{escape_id(buildpack)}/{name}" for buildpack, name, _, _ in wanted]
    found: Resumable = {}
    for (buildpack, name, toml, moment), listing in zip(
        wanted, env.scan(paths) if paths else [], strict=True
    ):
        if _is_as_left(listing, moment):
            found.setdefault(buildpack, {})[name] = KeptLayer(
                diff_id="",
                size=0,
                stamp=listing.stamp,
                launch=False,
                build=toml.build,
                cache=True,
                metadata=toml.metadata,
            )
    return found


def with_resumable(index: CacheIndex | None, owner: str, found: Resumable) -> CacheIndex:
    """What is known of the cache once these layers are as they are now. `index`: what was known before the build."""
    before = index or CacheIndex(owner=owner)
    layers = {buildpack: dict(kept) for buildpack, kept in before.layers.items()}
    for buildpack, named in found.items():
        for name, layer in named.items():
            old = before.layer(buildpack, name)
            if old is None or old.stamp != layer.stamp:
                layers.setdefault(buildpack, {})[name] = layer
    return replace(before, layers=layers)


def _declared(env: BuildEnv, layers_dir: str, failed: Module) -> Iterator[tuple[str, LayerToml]]:
    own = f"{layers_dir}/{escape_id(failed.descriptor.id)}"
    for path, content in env.read_files([f"{glob.escape(own)}/*.toml"]).items():
        if not isinstance(content, bytes):
            continue
        name = posixpath.basename(path).removesuffix(".toml")
        try:
            check_layer_name(name, path)
            yield name, LayerToml.read(content, path, failed.api)
        except InvalidFile:
            # It failed before the file was written to its end.
            continue


def _is_resumable(toml: LayerToml) -> bool:
    says = isinstance(toml.metadata, dict) and toml.metadata.get(KEY) is True
    return says and toml.cache and not toml.launch


def _is_as_left(listing: Listing, moment: int) -> bool:
    if not listing.stamp or not listing.entries or listing.entries[0].kind != "d":
        return False
    return not moment or all(entry.ctime <= moment for entry in listing.entries)
