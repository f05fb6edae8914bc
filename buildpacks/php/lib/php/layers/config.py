"""Layer `php-conf`: settings of PHP, php-fpm and nginx, the supervisor, and what runs before the app."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from pybuild.errors import BuildError
from pybuild.libcnb import command, connections
from pybuild.libcnb.layers import Types, write_file
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from php.docroot import DocumentRoot
    from php.frameworks import Framework
    from php.layers.runtime import Runtime
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

WEB = "php-web"
USER_INI = ".php.ini.d"
USER_TEMPLATE = "nginx.conf.tmpl"

_PRIORITY = re.compile(r"^;\s*priority=(\d+)", re.MULTILINE)

# With the app itself as document root, what is there for people and tools is not for visitors.
_PRIVATE = """
        location ~* ^/(?:[^/]+\\.(?:lock|toml|ya?ml|neon|ini|dist|sql|bak|log|sh|tmpl)|(?:composer|package(?:-lock)?)\\.json|Procfile|Makefile|Dockerfile)$ {
            return 404;
        }
        location ~* ^/(?:vendor|node_modules)/.*\\.(?:php|json|lock|md|sh|ya?ml|xml|dist)(?:/|$) {
            return 404;
        }
"""


def write(
    context: BuildContext,
    runtime: Runtime,
    site: DocumentRoot | None,
    *,
    server: bool,
    framework: Framework | None = None,
) -> Layer:
    """Write the layer anew. `server`: with nginx and php-fpm."""
    layer = context.layers.fresh_layer("php-conf", Types(launch=True, build=True))
    etc = layer.path / "etc"
    write_file(etc / "php.ini", _debian_ini(runtime))
    write_file(etc / "conf.d/00-pybuild.ini", php_ini(context, runtime))
    for name, text in extension_inis(runtime):
        write_file(etc / "conf.d" / name, text)
    _link(layer.path / "bin/php", runtime.php)
    layer.env("PHPRC", str(etc))
    layer.env("PHP_INI_SCAN_DIR", f"{etc}/conf.d:{context.app / USER_INI}")
    layer.env("PHP_MEMORY_LIMIT", "128M", operation="default")
    layer.env("PHP_POST_MAX_SIZE", "64M", operation="default")
    layer.exec_d(connections.NAME, connections.SCRIPT)
    # The launcher runs them by name, and this one reads what the first has set.
    layer.exec_d("variables-of-frameworks", _template(context, "variables-of-frameworks"))
    if framework:
        for name, value in framework.environ.items():
            layer.env(name, value, operation="default")
        layer.exec_d(framework.script, _template(context, framework.script))
    if server and site:
        _write_server(context, layer, runtime, site)
    return layer


def environ(layer: Layer, runtime: Runtime, app: Path) -> dict[str, str]:
    """The variables that make PHP work while this build is not over; later ones get them from the layers."""
    libraries = (runtime.layer.path / "env/LD_LIBRARY_PATH.prepend").read_text()
    return {
        "PHPRC": str(layer.path / "etc"),
        "PHP_INI_SCAN_DIR": f"{layer.path}/etc/conf.d:{app / USER_INI}",
        "PHP_MEMORY_LIMIT": "-1",
        "PHP_POST_MAX_SIZE": "64M",
        "LD_LIBRARY_PATH": libraries,
    }


def php_ini(context: BuildContext, runtime: Runtime) -> str:
    """Our settings: the template, where the extensions are, and what the execution environment changes."""
    folders = sorted((runtime.layer.path / "usr/lib/php").glob("20[0-9]*"))
    development = context.exec_env == "development"
    lines = [
        f"extension_dir = {folders[-1]}" if folders else "",
        # Code in an image never changes, so its files need not be looked at again; a developer's do.
        f"opcache.validate_timestamps = {1 if development else 0}",
        "opcache.revalidate_freq = 0" if development else "",
        f"display_errors = {'On' if development else 'Off'}",
        f"zend.assertions = {-1 if context.exec_env == 'production' else 1}",
    ]
    return _template(context, "php.ini") + "\n".join(line for line in lines if line) + "\n"


def extension_inis(runtime: Runtime) -> Iterator[tuple[str, str]]:
    """The files that switch the installed extensions on, named so that they are read in Debian's order."""
    # PHP's own extensions have their file in usr/share, those from PECL in etc.
    folders = ("usr/share/php*/*", f"etc/php/{runtime.series}/mods-available")
    for file in sorted(file for folder in folders for file in runtime.layer.path.glob(f"{folder}/*.ini")):
        text = file.read_text()
        found = _PRIORITY.search(text)
        yield f"{int(found.group(1)) if found else 20:02}-{file.name}", text


def check(environ: dict[str, str]) -> None:
    """Have nginx and php-fpm read what they will be started with. Raises a `Problem` with what they say."""
    try:
        command.read([WEB, "--check"], environ=environ)
    except command.ToolFailed as exc:
        raise Problem(
            "The web server's configuration is not valid",
            exc.output or str(exc),
            steps=(
                f"Correct the files of the app in .nginx.conf.d/, {USER_INI}/ or {USER_TEMPLATE} that are named above.",
                "If none of yours is named, please report this as a bug.",
            ),
        ) from exc


def _write_server(context: BuildContext, layer: Layer, runtime: Runtime, site: DocumentRoot) -> None:
    etc = layer.path / "etc"
    own = context.app / USER_TEMPLATE
    template = own if own.is_file() else etc / "nginx.conf.tmpl"
    write_file(etc / "nginx.conf.tmpl", nginx_template(_template(context, "nginx.conf.tmpl"), site))
    write_file(etc / "php-fpm.conf", _template(context, "php-fpm.conf"))
    words = {"app": context.app, "root": site.below(context.app), "template": template}
    write_file(etc / "site", "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in words.items()))
    write_file(layer.path / "bin" / WEB, _template(context, WEB), mode=0o755)
    _link(layer.path / "bin/php-fpm", runtime.fpm)
    # A Procfile that names only workers must not take the default from us.
    layer.env("PYBUILD_DEFAULT_PROCESS", "web", scope="build")


def nginx_template(text: str, site: DocumentRoot) -> str:
    """nginx's configuration with what the build knows filled in; the rest is filled in at every start."""
    # Laravel, Symfony and WordPress want the query string back from a rewritten address.
    fallback = f"/{site.front_controller}?$query_string" if site.front_controller else "=404"
    words = {"fallback": fallback, "private": "" if site.folder else _PRIVATE}
    for word, value in words.items():
        text = text.replace(f"{{{{{word}}}}}", value)
    return text


def _debian_ini(runtime: Runtime) -> str:
    file = runtime.layer.path / f"usr/lib/php/{runtime.series}/php.ini-production"
    return file.read_text() if file.is_file() else ""


def _link(link: Path, target: Path) -> None:
    if not target.is_file():
        raise BuildError(f"{target} is missing, although its package was installed")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


def _template(context: BuildContext, name: str) -> str:
    return (context.buildpack / "templates" / name).read_text()
