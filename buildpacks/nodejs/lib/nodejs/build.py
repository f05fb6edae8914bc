"""From JavaScript source to an image that runs it, or to the files of a front end: Node.js, packages, scripts, processes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from nodejs import (
    assets,
    bill,
    errors,
    explain,
    frontend,
    identity,
    nitro,
    registry,
    scripts,
    settings,
    standalone,
)
from nodejs.detect import FILES
from nodejs.layers import build_cache, build_key, config, modules, runtime, tool
from nodejs.manifest import Lock, Manifest
from nodejs.processes import processes
from pybuild.libcnb import command, fetch, output, start
from pybuild.libcnb.launch import Built

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nodejs.layers.runtime import Runtime
    from nodejs.layers.tool import PackageTool
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.problem import Problem

# What the server of files reads beside the built folder.
_KEPT = ("Staticfile", "Procfile", "_headers", "_redirects", "project.toml")


def build(context: BuildContext) -> Built:
    """The whole build, top to bottom."""
    output.heading(f"Node.js buildpack {context.version}")
    settings.refuse_forbidden(context.environ)
    manifest = Manifest.read(context.app)
    lock = Lock.read(context.app, manifest)
    assets_only = assets.only(context)
    to_build = scripts_to_run(context, manifest, assets_only=assets_only)
    front_end = frontend.find(context.app, manifest) if offers_files(context) else None
    if front_end is None and not assets_only and is_served_by_nobody(context, manifest):
        raise errors.no_file_server()
    # A script that starts or tests the app through the tool needs it in the image.
    first = scripts.script(manifest, lock.tool, "start")
    in_image = front_end is None and not assets_only
    with_tool = in_image and (context.dev or bool(first and first.needs_tool))

    with fetch.opened(context) as downloads:
        source = registry.open_registry(context, downloads)
        node = runtime.install(context, manifest, source, launch=in_image)
        pm = tool.install(context, manifest, lock, node, source, launch=with_tool)
    variables = modules.environ(context, node, pm, source)
    install(context, manifest, lock, node, pm, variables, to_build)
    parts = bill.components(context.app, manifest)
    context.sbom("build" if assets_only else "launch", parts)
    if assets_only:
        for name, value in assets.BUILT.items() if to_build else ():
            node.layer.env(name, value, operation="default", scope="build")
        assets.leave(context.app, modules.FOLDER)
        return Built()
    if front_end:
        return deliver_files(context, manifest, front_end)

    modules.tidy(context.app)
    standalone.drop_steps(context, manifest)
    conf = config.write(context, manifest)
    alone = standalone.find(context, manifest)
    first = standalone.complete(context, alone) if alone else starting(context, manifest, lock)
    found = processes(context, conf, manifest, first, pm)
    if any(process.type == "web" for process in found) or "web" in start.procfile_types(context.app):
        config.serve(conf)
    packages = f"{alone.folder}/{modules.FOLDER}" if alone else modules.FOLDER
    has_packages = (context.app / packages).is_dir()
    return Built(
        processes=start.beside_procfile(context, found), slices=((packages,),) if has_packages else ()
    )


def scripts_to_run(context: BuildContext, manifest: Manifest, *, assets_only: bool) -> tuple[str, ...]:
    """The scripts that build; none for development, where they run with the app. Raises a `Problem`."""
    if context.exec_env == "development":
        return ()
    if assets_only:
        return assets.to_build(context.app, manifest, context.environ)
    return scripts.to_build(manifest, context.environ)


def offers_files(context: BuildContext) -> bool:
    """Whether a later buildpack is going to serve the files of a front end."""
    return any(entry.name == FILES for entry in context.plan)


def is_served_by_nobody(context: BuildContext, manifest: Manifest) -> bool:
    """Whether the app is a front end, and no buildpack of this builder serves files."""
    return (
        context.exec_env == "production"
        and settings.wants_front_end(context.environ)
        and "web" not in start.procfile_types(context.app)
        and frontend.find(context.app, manifest) is not None
    )


def install(
    context: BuildContext,
    manifest: Manifest,
    lock: Lock,
    node: Runtime,
    pm: PackageTool,
    variables: Mapping[str, str],
    to_build: Sequence[str],
) -> None:
    """Install the packages, run the scripts, and remove what only developers need."""
    if "heroku-prebuild" in manifest.scripts:
        run_script(context, pm, "heroku-prebuild", variables)
    if not manifest.packages and not manifest.workspaces:
        output.step(
            "package.json asks for no packages"
            if manifest.exists
            else "There is no package.json, so there are no packages"
        )
        for name in to_build:
            run_script(context, pm, name, variables)
        return
    # Where nothing is built, what only developers need is not even installed.
    dev = context.dev or bool(to_build or manifest.installs) or not settings.wants_pruning(context.environ)
    output.section("Packages")
    modules.install(context, manifest, lock, node, pm, variables, dev=dev)
    if to_build:
        build_cache.restore(context)
        keys = build_key.environ(context)
        for name in to_build:
            run_script(context, pm, name, {**variables, **keys})
        build_cache.save(context)
        identity.settle(context.app, keys)
        nitro.settle(context)
    if (
        dev
        and not context.dev
        and settings.wants_pruning(context.environ)
        and not (offers_files(context) or assets.only(context))
        # Of such a server's packages none stays beside it.
        and not standalone.find(context, manifest)
    ):
        modules.prune(context, manifest, lock, pm, variables)


def run_script(context: BuildContext, pm: PackageTool, name: str, variables: Mapping[str, str]) -> None:
    """Run a script of package.json. Raises a `Problem`."""
    output.section(f"Script {name}")
    environ = {"NODE_ENV": context.environ.get("NODE_ENV") or context.exec_env, **variables}
    try:
        command.run([pm.name, "run", name], cwd=context.app, environ=environ)
    except command.ToolFailed as exc:
        raise explain.script_failed(exc, name, pm.name) from exc


def deliver_files(context: BuildContext, manifest: Manifest, front_end: frontend.FrontEnd) -> Built:
    """Leave the built files and nothing else in the app. Raises a `Problem` where there are none."""
    asked = context.setting("BP_WEB_SERVER_ROOT").strip("/")
    folder = asked or frontend.built_folder(context.app, front_end)
    if not folder or not (context.app / folder).is_dir():
        raise not_built(manifest, front_end, asked)
    output.section(f"{front_end.name}: the files in {folder} are what the image serves")
    config.hand_over(context, folder, single_page=front_end.single_page)
    top = folder.split("/")[0]
    for entry in context.app.iterdir():
        if entry.name in (top, *_KEPT) or entry.name.startswith(".nginx"):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return Built()


def not_built(manifest: Manifest, front_end: frontend.FrontEnd, asked: str) -> Problem:
    """Why there are no files to serve. `asked`: the folder that the user names; empty for none."""
    if frontend.ADAPTER_AUTO in manifest.packages and not asked:
        return errors.no_adapter()
    if manifest.packages & {*frontend.QWIK} and not asked:
        return errors.no_integration()
    return errors.nothing_built(front_end.name, (asked,) if asked else front_end.folders)


def starting(context: BuildContext, manifest: Manifest, lock: Lock) -> scripts.Start | None:
    """How the app is started; None where a Procfile says so, or only tests are run. Raises a `Problem`."""
    if "web" in start.procfile_types(context.app):
        return None
    names = ("dev",) if context.exec_env == "development" else ()
    found = scripts.script(manifest, lock.tool, *names) or scripts.start(context.app, manifest, lock.tool)
    if found is None and not start.procfile_types(context.app) and context.exec_env != "test":
        raise errors.no_start(bill.starting(context.app) if manifest.workspaces else ())
    if (
        found
        and context.exec_env == "production"
        and manifest.dev
        and settings.wants_pruning(context.environ)
        and (program := scripts.lacks(context.app, found))
    ):
        raise errors.start_for_developers(found.line, program)
    return found
