"""Makes one layer with nginx for those who require it, in its newest version or the one that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginx import errors
from pybuild.libcnb import apt, debs, output
from pybuild.libcnb.dpkg import begins_with, upstream
from pybuild.libcnb.launch import Built
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext

# Where the run image's own nginx, if it has one, keeps its files.
SYSTEM_CONF = "/etc/nginx"


def build(context: BuildContext) -> Built:
    """Provide nginx on the PATH, and `NGINX_CONF_DIR`, the folder of its mime.types."""
    output.heading(f"nginx buildpack {context.version}")
    with apt.opened(context) as sources:
        package = choose(context, sources)
        made = debs.deb_layer(context, "nginx", (package,), wanted_types(context), apt=sources)
    layer = made.layer
    layer.search_path("PATH", layer.path / "usr/sbin")
    if libraries := debs.library_folders(layer):
        layer.search_path("LD_LIBRARY_PATH", *libraries)
    own_conf = layer.path / "etc/nginx"
    layer.env("NGINX_CONF_DIR", str(own_conf) if own_conf.is_dir() else SYSTEM_CONF)
    return Built()


def wanted_types(context: BuildContext) -> Types:
    """Launch and build as the plan's entries ask; an entry that asks for neither gets it at launch."""
    needs = [entry.metadata for entry in context.plan]
    build = any(need.get("build") is True for need in needs)
    launch = any(need.get("launch") is True for need in needs) or not build
    return Types(launch=launch, build=build, cache=True)


def choose(context: BuildContext, sources: Apt) -> str:
    """The package to install, with its version unless it is locked."""
    wanted = context.setting("BP_NGINX_VERSION")
    if context.resolved.locked:
        locked = context.resolved.choose(
            "nginx", str, accepts=lambda had: not wanted or begins_with(had, wanted)
        )
        output.section(f"nginx {locked} (locked)")
        return "nginx"
    version, reason = choose_version(sources, wanted)
    context.resolved.record("nginx", upstream(version))
    output.section(f"nginx {upstream(version)} ({reason})")
    return f"nginx={version}"


def choose_version(sources: Apt, wanted: str) -> tuple[str, str]:
    """The Debian version to install, and why that one."""
    available = sources.versions("nginx")
    if not available or not wanted:
        if not available:
            raise errors.version_unknown(wanted or "any version", ())
        return available[0], "the newest; BP_NGINX_VERSION pins another"
    for version in available:
        if version == wanted or begins_with(upstream(version), wanted):
            return version, f"BP_NGINX_VERSION asks for {wanted}"
    raise errors.version_unknown(wanted, tuple(dict.fromkeys(map(upstream, available))))
