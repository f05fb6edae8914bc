"""From names to layers: `packages` for app and build, `build-packages` for the build alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aptfile import errors, wanted
from aptfile.alternatives import link_alternatives
from aptfile.layers import move_descriptions, write_paths
from pybuild.libcnb import apt, command, debs, output
from pybuild.libcnb.launch import Built
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.debs import DebLayer


def build(context: BuildContext) -> Built:
    """The newest versions, signatures checked, with all that they need and the image has not."""
    output.heading(f"apt buildpack {context.version}")
    asked = wanted.read(context.app, context.setting(wanted.VARIABLE))
    if not (asked.launch or asked.build):
        raise errors.empty(wanted.APTFILE if (context.app / wanted.APTFILE).is_file() else wanted.PROJECT)
    if asked.launch:
        with apt.opened(context) as sources:
            output.section(f"For the app and the build: {', '.join(asked.launch)}")
            _install(context, "packages", asked.launch, Types(launch=True, build=True, cache=True), sources)
    if asked.build:
        # The build image has more than the run image, so less is missing.
        with apt.opened(
            context, run_status=apt.OWN_STATUS, stand_ins=(), refresh=not asked.launch
        ) as sources:
            output.section(f"For the build alone: {', '.join(asked.build)}")
            _install(context, "build-packages", asked.build, Types(build=True, cache=True), sources)
    return Built()


def _install(context: BuildContext, name: str, packages: Sequence[str], types: Types, sources: Apt) -> None:
    _check(context, packages, sources)
    made = debs.deb_layer(context, name, packages, types, apt=sources)
    for deb in made.debs:
        if deb.name in {word.partition("=")[0] for word in packages}:
            context.resolved.record(deb.name, deb.version)
    missing = [word for word in packages if not made.version(word.partition("=")[0].partition(":")[0])]
    if missing:
        output.step(f"The image has already: {', '.join(missing)}")
    if made.fresh:
        _finish(made, sources)
    write_paths(made.layer)


def _check(context: BuildContext, packages: Sequence[str], sources: Apt) -> None:
    """Raise a `Problem` with names like it for one that is unknown."""
    if context.resolved.locked:
        return
    for word in packages:
        name = word.partition("=")[0].partition(":")[0]
        near = sources.names(name[:2])
        if name not in near:
            target = context.target
            raise errors.unknown(name, near, f"{target.distro} {target.distro_version}".strip())


def _finish(made: DebLayer, sources: Apt) -> None:
    """Do what can be done of the packages' installation scripts, and tell of those that have one."""
    move_descriptions(made.layer)
    scripts = {
        deb.name: done.stdout
        for deb in made.debs
        for done in [command.capture(["dpkg-deb", "--info", sources.archives / deb.file_name, "postinst"])]
        if not done.code
    }
    if linked := link_alternatives(made.layer.path, scripts.values()):
        names = [link.rpartition("/")[2] for link in linked]
        output.step(f"Linked: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}")
    if scripts:
        output.step(f"Not run: the installation scripts of {', '.join(scripts)}")
