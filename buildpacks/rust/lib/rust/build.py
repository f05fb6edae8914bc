"""From Rust source to an image that holds its programs: toolchain, caches, binaries, process types."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.libcnb import command, connections, logins, output, source, start
from pybuild.libcnb.launch import Built, Process
from rust import freshness, manifest, versions, workspace
from rust.layers import caches, programs, tests, toolchain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer
    from rust.layers.toolchain import Toolchain
    from rust.workspace import Program

WEB = "web"
# What web apps read at run time, by habit (Paketo's BP_INCLUDE_FILES).
KEPT = "static/*:templates/*:public/*:html/*"


def build(context: BuildContext) -> Built:
    """The whole build, top to bottom."""
    output.heading(f"Rust buildpack {context.version}")
    told = manifest.Manifest.read(context.app)
    keep = source.kept_patterns(context, KEPT)
    crates = manifest.components(context.app)
    rust = toolchain.install(context, versions.wanted(context.setting("BP_RUST_TOOLCHAIN"), told))
    if not told.locked:
        output.warning("There is no Cargo.lock: every build may take other versions. Commit it.")
    with tempfile.TemporaryDirectory(prefix="rust-") as scratch:
        environ = {**caches.environ(context, rust), **logins.environ(context.bindings, Path(scratch))}
        results = Path(environ["CARGO_TARGET_DIR"])
        marked = freshness.mark(context.app, results)
        found = _programs(context, rust, environ)
        output.section("Programs")
        layer, made = programs.build(context, rust, told, found, environ)
        tested = context.exec_env == "test" and tests.build(
            context, rust, environ, context.words(programs.ARGUMENTS)
        )
        freshness.remember(results, marked)
    context.sbom(layer, (*crates, *rust.standard))
    layer.exec_d(connections.NAME, connections.SCRIPT)
    start.web(layer)
    default = workspace.default(made)
    output.step(f"web starts {default.name}")
    if context.exec_env != "test":
        stays = source.clear(context.app, keep)
        kept = f"; kept: {len(stays)} files and folders" if stays else ""
        output.step(f"The source is left out of the image{kept}")
    return Built(processes=start.beside_procfile(context, processes(layer, made, default, tested=tested)))


def processes(
    layer: Layer, made: Sequence[Program], default: Program, *, tested: bool
) -> tuple[Process, ...]:
    """`web` for the default program, each program under its own name, and `test` where tests were compiled.

    A Rust program has no handler for SIGTERM unless it brings one, so each is the child of an init.
    """
    found = [Process(type=WEB, command=start.supervised(layer, default.name), default=True)]
    names = [program.name for program in made if program.name != WEB]
    found += [Process(type=name, command=start.supervised(layer, name)) for name in names]
    if tested:
        found.append(Process(type="test", command=(tests.RUNNER,), exec_envs=("test",)))
    return tuple(found)


def _programs(context: BuildContext, rust: Toolchain, environ: Mapping[str, str]) -> tuple[Program, ...]:
    members = [name.strip() for name in context.setting("BP_CARGO_WORKSPACE_MEMBERS").split(",")]
    try:
        return workspace.programs(rust.cargo, context.app, environ, [name for name in members if name])
    except command.ToolFailed as exc:
        raise programs.CARGO.explained(exc, "The packages of the app cannot be listed") from exc
