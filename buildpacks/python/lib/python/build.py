"""From Python source to an image that serves it: CPython, packages, Django's static files, the process types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb import apt, output, start
from pybuild.libcnb.launch import Built
from python import bill, django, errors, packages, processes, settings, web
from python.layers import bytecode, config, runtime, uv, venv
from python.project import Project

if TYPE_CHECKING:
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer
    from python.layers.runtime import Runtime
    from python.web import Entry


def build(context: BuildContext) -> Built:
    """The whole build, top to bottom."""
    output.heading(f"Python buildpack {context.version}")
    settings.refuse_forbidden(context.environ)
    project = Project.read(context.app, settings.requirement_files(context.environ), dev=context.dev)
    entry = find_entry(context, project)
    asked = settings.server(context.environ)

    with apt.opened(context) as sources:
        tool = uv.install(context)
        python = runtime.install(context, project.python, sources, tool)
        context.resolved.record("python", python.version)
        output.section("Packages")
        parts = [packages.decide(context, project, python, tool)]
        # A Procfile that starts the app knows its server.
        served = None if "web" in start.procfile_types(context.app) else entry
        server = processes.server(served, parts[0].names, asked)
        if server and server.added:
            parts.append(packages.newest(context, server.name, parts[0], python, tool, name="server"))
        layer = venv.install(context, python, tuple(parts), tool, sources)
    site = venv.site_packages(layer, python)
    context.sbom(layer, bill.components(layer.path, site))

    conf = config.write(context)
    if entry and entry.django:
        collect_static(context, entry, layer, python)
    if not context.dev:
        bytecode.compile_folder(python.python, context.app, python.environ, check="checked-hash")
    processes.tell(served, server)
    found = processes.processes(context, conf, entry, server, venv.installed(layer, python))
    if any(process.type == "web" for process in found) or "web" in start.procfile_types(context.app):
        config.serve(context, conf, control_socket=venv.has_control_socket(layer, python))
    return Built(processes=start.beside_procfile(context, found))


def find_entry(context: BuildContext, project: Project) -> Entry | None:
    """What starts the app; None where a Procfile does it. Raises a `Problem` where nothing does."""
    entry = web.find(context.app, project.manifest, settings.app_reference(context.environ))
    if entry is None and not start.procfile_types(context.app) and context.exec_env != "test":
        raise errors.no_entry()
    return entry


def collect_static(context: BuildContext, entry: Entry, layer: Layer, python: Runtime) -> None:
    """Run Django's collectstatic, where the project has static files and a folder for them. Raises a `Problem`."""
    project = django.find(context.app)
    if project is None or not (project.static_files and settings.wants_static_files(context.environ)):
        return
    if not project.static_root:
        output.section("Django's static files are not collected: the settings name no STATIC_ROOT")
        return
    output.section("Django's static files")
    django.collect(
        context.app / entry.folder,
        {
            **python.environ,
            "PATH": f"{layer.path}/bin:{context.environ.get('PATH', '')}",
            "VIRTUAL_ENV": str(layer.path),
        },
        context.environ,
    )
    if not venv.installed(layer, python) & {"whitenoise", "dj-static"}:
        output.warning(
            "Nothing in the app serves the collected files: gunicorn does not.\n"
            "Add whitenoise to the app's requirements and to MIDDLEWARE, or have another server deliver them."
        )
