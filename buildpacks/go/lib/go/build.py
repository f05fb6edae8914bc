"""From Go source to an image that holds its programs: toolchain, caches, binaries, process types."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from go import errors, settings, targets
from go.gomod import GoMod
from go.layers import caches, programs, tests, toolchain
from pybuild.libcnb import command, connections, logins, output, source, start
from pybuild.libcnb.launch import Built, Process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from go.layers.toolchain import Toolchain
    from go.targets import Package
    from pybuild.libcnb.context import BuildContext

WEB = "web"


def build(context: BuildContext) -> Built:
    """The whole build, top to bottom."""
    output.heading(f"Go buildpack {context.version}")
    folder = settings.module_folder(context)
    module = GoMod.read(folder)
    keep = source.kept_patterns(context)
    go = toolchain.install(context, module)
    with tempfile.TemporaryDirectory(prefix="go-") as scratch:
        environ = {**caches.environ(context, go), **logins.environ(context.bindings, Path(scratch))}
        roots, chosen = find(context, go, module, folder, environ)
        default = chosen[0] if context.setting("BP_GO_TARGETS") else targets.default(chosen, roots)
        output.section(
            f"Programs ({'from the folder vendor' if (folder / 'vendor/modules.txt').is_file() else module.file})"
        )
        layer = programs.build(context, go, chosen, folder, environ)
        layer.exec_d(connections.NAME, connections.SCRIPT)
        start.web(layer)
        tested = context.exec_env == "test" and tests.build(
            context, go, [f"{root}/..." for root in roots], folder, environ
        )
    if context.exec_env != "test":
        stays = source.clear(context.app, keep)
        output.step(
            "The source is left out of the image"
            + (f"; kept: {len(stays)} files and folders" if stays else "")
        )
    output.step(f"web starts {default.program}")
    return Built(processes=start.beside_procfile(context, processes(chosen, default, tested=tested)))


def find(
    context: BuildContext, go: Toolchain, module: GoMod, folder: Path, environ: Mapping[str, str]
) -> tuple[tuple[Path, ...], tuple[Package, ...]]:
    """The folders of the app's modules, and its programs to build. Raises a `Problem`."""
    patterns = targets.asked(context.setting("BP_GO_TARGETS"))
    try:
        roots = targets.modules(go.go, folder, environ)
        found = targets.packages(go.go, module, folder, environ, patterns)
    except command.ToolFailed as exc:
        raise programs.GO.explained(exc, "The packages of the app cannot be listed") from exc
    if not patterns:
        return roots, targets.choose(found, roots)
    for package in found:
        if not package.program:
            raise errors.no_such_target(package.path, "it is a library")
    return roots, targets.checked(found)


def processes(chosen: Sequence[Package], default: Package, *, tested: bool) -> tuple[Process, ...]:
    """`web` for the default program, each program under its own name, and `test` where tests were compiled."""
    found = [Process(type=WEB, command=(default.program,), default=True)]
    found += [Process(type=name, command=(name,)) for package in chosen if (name := package.program) != WEB]
    if tested:
        found.append(Process(type="test", command=(tests.RUNNER,), exec_envs=("test",)))
    return tuple(found)
