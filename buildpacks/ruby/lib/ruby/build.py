"""From Ruby source to an image that runs it: Ruby, the gems, the assets, the process types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb import apt, connections, output, start
from pybuild.libcnb.launch import Built
from pybuild.libcnb.layers import Types
from ruby import assets, newer, processes
from ruby.layers import gems, headers, runtime
from ruby.lock import Bundle

if TYPE_CHECKING:
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

# What a worker of Puma with a middling Rails app takes, in MiB.
WORKER_MEMORY = 400


def build(context: BuildContext) -> Built:
    """The whole build, top to bottom."""
    output.heading(f"Ruby buildpack {context.version}")
    bundle = Bundle.read(context.app)
    with apt.opened(context) as sources:
        ruby = runtime.install(context, bundle, sources)
        compilers = headers.install(context, bundle, ruby, sources)
    bundle = newer.bring(context, bundle, ruby, gems.variables(context, ruby))
    installed = gems.install(context, bundle, ruby, compilers)
    conf = configure(context, bundle)
    environ = {
        **gems.variables(context, ruby),
        **modes(context),
        "PATH": f"{installed.path}/bin:{gems.variables(context, ruby)['PATH']}",
    }
    assets.compile_assets(context, bundle, ruby, environ)
    return Built(processes=processes.find(context, bundle, conf))


def configure(context: BuildContext, bundle: Bundle) -> Layer:
    """Layer `ruby-conf`: variables of frameworks, and what runs before the app."""
    layer = context.layers.fresh_layer("ruby-conf", Types(launch=True, build=True))
    for name, value in modes(context).items():
        layer.env(name, value, operation="default")
    # Threads of Ruby make glibc keep memory in many places otherwise.
    layer.env("MALLOC_ARENA_MAX", "2", operation="default", scope="launch")
    layer.exec_d(connections.NAME, connections.SCRIPT)
    start.web(layer, worker_memory=WORKER_MEMORY)
    if bundle.has("railties"):
        for name, value in (
            ("RAILS_LOG_TO_STDOUT", "true"),
            ("RAILS_SERVE_STATIC_FILES", "true"),
            # The app's own folder cannot be written.
            ("PIDFILE", "/tmp/rails.pid"),
            ("BOOTSNAP_READONLY", "true"),
        ):
            layer.env(name, value, operation="default", scope="launch")
        layer.exec_d("secret-key", (context.buildpack / "templates/secret-key").read_text())
    return layer


def modes(context: BuildContext) -> dict[str, str]:
    """The variables that say which of its environments a framework is in."""
    return dict.fromkeys(("RACK_ENV", "RAILS_ENV", "APP_ENV"), context.exec_env)
