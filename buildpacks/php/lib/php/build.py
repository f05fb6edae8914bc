"""From PHP source to an image that serves it: PHP, its settings, Composer's packages, the process types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from php import docroot, frameworks
from php.layers import composer, config, runtime
from php.project import Project
from php.settings import refuse_forbidden, wants_nginx
from pybuild.libcnb import apt, output, start
from pybuild.libcnb.launch import Built, Process

if TYPE_CHECKING:
    from php.docroot import DocumentRoot
    from php.frameworks import Framework
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

TEST_TOOLS = ("vendor/bin/pest", "vendor/bin/phpunit")


def build(context: BuildContext) -> Built:
    """The whole build, top to bottom."""
    output.heading(f"PHP buildpack {context.version}")
    refuse_forbidden(context.environ)
    project = Project.read(context.app, dev=composer.dev(context))
    composer.check_lock(project)
    site = docroot.find(context.app, context.environ)
    server = wants_nginx(context.environ) and site is not None

    with apt.opened(context) as sources:
        php = runtime.install(context, project, sources)
        tool = composer.find_tool(context, php, sources) if project.has_manifest else []
    framework = frameworks.find(context.app, project, context.exec_env)
    conf = config.write(context, php, site, server=server, framework=framework)
    environ = {
        **config.environ(conf, php, context.app),
        **(frameworks.unset(context, framework) if framework else {}),
        "PATH": f"{conf.path}/bin:{context.environ.get('PATH', '')}",
    }

    if framework:
        frameworks.prepare(context.app, framework)
    slices: tuple[tuple[str, ...], ...] = ()
    if project.has_manifest and composer.install(context, project, php, tool, environ):
        slices = ((composer.VENDOR,),)
    if framework:
        frameworks.finish(context, framework, [str(php.php)], environ)
    if server and site:
        output.section(
            f"Served by nginx and php-fpm from {site.folder or 'the root of the app'} ({site.why})"
        )
        fallback = (
            f"/{site.front_controller}"
            if site.front_controller
            else "nothing (BP_PHP_FRONT_CONTROLLER is empty)"
        )
        output.step(f"Other addresses are answered by {fallback}")
        config.check(environ)
    found = processes(context, site if server else None, framework, conf)
    return Built(processes=start.beside_procfile(context, found), slices=slices)


def processes(
    context: BuildContext, site: DocumentRoot | None, framework: Framework | None, layer: Layer
) -> tuple[Process, ...]:
    """`web` for an app with web files, what the framework has beside it, and `test` where a test tool was installed."""
    found = []
    if site:
        found.append(Process(type="web", command=(config.WEB,), default=True))
    if framework:
        found += [
            Process(type=kind, command=start.supervised(layer, "php", *words, group=True))
            for kind, words in framework.processes.items()
        ]
    tool = next((name for name in TEST_TOOLS if (context.app / name).is_file()), None)
    if tool:
        default = context.exec_env == "test"
        found.append(
            Process(type="test", command=("php", tool), default=default and not site, exec_envs=("test",))
        )
    return tuple(found)
