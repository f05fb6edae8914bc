"""From a folder of files to an image that serves it: the configuration in a layer, and a process that runs nginx."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.libcnb import command, output
from pybuild.libcnb.launch import Built, Process
from pybuild.libcnb.layers import Types, write_file
from static import conf, errors, files, headers, redirects, site
from static.settings import Settings

if TYPE_CHECKING:
    from pybuild.libcnb.context import BuildContext
    from static.site import Site

WEB = "static-web"
USER_TEMPLATE = "nginx.conf.tmpl"
LOGIN = "htpasswd"
"""The type of a binding that has a list of users in its entry `.htpasswd`, as in Paketo's."""
LOGIN_FILE = "Staticfile.auth"
"""The same in the app, as in Cloud Foundry's."""


def build(context: BuildContext) -> Built:
    """Write the layer `static-conf`, have nginx check it, and name the process."""
    output.heading(f"Static files buildpack {context.version}")
    settings = Settings.read(context.environ, context.app)
    found = site.find(context.app, settings)
    output.section(f"Served by nginx from {found.folder or 'the root of the app'} ({found.why})")
    text = configuration(context, settings, found)
    layer = context.layers.fresh_layer("static-conf", Types(launch=True, build=True))
    own = context.app / USER_TEMPLATE
    if own.is_file():
        output.step(f"With the configuration of the app, {USER_TEMPLATE}")
    template = own if own.is_file() else layer.path / "etc/nginx.conf.tmpl"
    words = {
        "app": context.app,
        "site": found.root,
        "location": settings.location,
        "needs_login": "1" if needs_login(context, settings) else "",
        "template": template,
    }
    write_file(layer.path / "etc/nginx.conf.tmpl", text)
    write_file(
        layer.path / "etc/site",
        "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in words.items()),
    )
    write_file(layer.path / "bin" / WEB, _template(context, WEB), mode=0o755)
    # A Procfile that names only workers must not take the default from us.
    layer.env("PYBUILD_DEFAULT_PROCESS", "web", scope="build")
    check(str(layer.path / "bin" / WEB))
    return Built(processes=(Process(type="web", command=(WEB,), default=True),))


def needs_login(context: BuildContext, settings: Settings) -> bool:
    """Whether the site must not be started without a list of users: asked for, or bound at build."""
    needed = settings.needs_login or any(binding.type == LOGIN for binding in context.bindings)
    if (context.app / LOGIN_FILE).is_file():
        output.step(f"Visitors need a name and a password of {LOGIN_FILE}")
        return False
    if needed:
        output.step(f"Visitors need a name and a password; it starts with a binding of type {LOGIN} only")
    return needed


def configuration(context: BuildContext, settings: Settings, found: Site) -> str:
    """nginx's configuration for the site, with what is in it told. Raises a `Problem`."""
    known, header_rules, redirect_rules = files.read(found.root), headers.read(found), redirects.read(found)
    pages = error_pages(settings, found)
    if settings.single_page:
        if not found.has("/index.html"):
            raise errors.no_such_root(f"{found.folder or '.'}/index.html", "BP_WEB_SERVER_ENABLE_PUSH_STATE")
        output.step("Addresses without a file are answered by index.html")
    for count, what, name in (
        (len(header_rules), "header", headers.FILE),
        (len(redirect_rules), "redirect", redirects.FILE),
    ):
        if count:
            output.step(f"{count} {what}{'' if count == 1 else 's'} from {name}")
    if pages:
        output.step("Error pages: " + ", ".join(f"{status} {page}" for status, page in sorted(pages.items())))
    if settings.location:
        output.step(f"The site is at {settings.location}/")
    if settings.env_js:
        output.step("env.js has the container's variables that begin with PUBLIC_WEB_")
    fixed = sum(file.immutable for file in known)
    output.step(
        f"{len(known) or f'More than {files.MOST}'} files, {fixed} of them kept by browsers for a year"
    )
    location = settings.location
    return conf.render(
        _template(context, "nginx.conf.tmpl"),
        settings,
        at_app=not found.folder,
        files=[replace(file, address=location + file.address) for file in known],
        headers=[replace(rule, pattern=location + rule.pattern) for rule in header_rules],
        redirects=[rule.below(location) for rule in redirect_rules],
        pages={status: location + page for status, page in pages.items()},
    )


def error_pages(settings: Settings, found: Site) -> dict[int, str]:
    """The page for each status: `404.html` and its like as they are found, and those that are asked for."""
    pages = {status: f"/{status}.html" for status in conf.ERRORS if found.has(f"/{status}.html")}
    for status, address in settings.error_pages.items():
        if not found.has(address):
            raise errors.no_such_error_page(status, address, found.folder)
        pages[status] = address
    return pages


def check(program: str) -> None:
    """Have nginx read what it will be started with. Raises a `Problem` with what it says."""
    try:
        command.read([program, "--check"])
    except command.ToolFailed as exc:
        raise errors.bad_configuration(exc.output or str(exc)) from exc


def _template(context: BuildContext, name: str) -> str:
    return (context.buildpack / "templates" / name).read_text()
