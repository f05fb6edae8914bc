"""Layer `ruby-dev`: what it takes to compile gems, and is not in the image: headers, libraries to link with."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pybuild.libcnb import debs, output
from pybuild.libcnb.dpkg import as_installed
from pybuild.libcnb.layers import Types, write_file
from ruby import natives

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer
    from ruby.layers.runtime import Runtime
    from ruby.lock import Bundle

# Loaded by every Ruby of the build: mkmf looks for headers beside the interpreter only.
HEADERS = """\
require "rbconfig"
{"rubyhdrdir" => %(common)s, "rubyarchhdrdir" => %(arch)s}.each do |name, path|
  RbConfig::CONFIG[name] = path
  RbConfig::MAKEFILE_CONFIG[name] = path
end
"""


def install(context: BuildContext, bundle: Bundle, runtime: Runtime, apt: Apt) -> dict[str, str]:
    """Have the packages in a layer. Returns the variables with which compilers and mkmf find them."""
    apt.pretend("".join(as_installed(control) for control in debs.controls(runtime.layer)))
    compiled = bundle.compiled - runtime.debian_gems.keys()
    packages = (f"ruby{runtime.series}-dev", *natives.build_packages(compiled))
    output.section("Headers, to compile gems with")
    made = debs.deb_layer(context, "ruby-dev", packages, Types(cache=True), apt=apt)
    layer = made.layer
    if made.fresh:
        complete(layer.path, runtime.layer.path)
        for file in layer.path.glob("usr/lib/*/pkgconfig/*.pc"):
            text = file.read_text(errors="surrogateescape")
            moved = re.sub(r"(?m)^(prefix|includedir|libdir|exec_prefix)=/usr", rf"\1={layer.path}/usr", text)
            write_file(file, moved)
    return environ(layer, runtime)


def complete(layer: Path, runtime: Path) -> None:
    """Links to libraries that are in the other layer lead there: `libpq.so` here, `libpq.so.5` with Ruby."""
    for link in debs.relink(layer):
        other = runtime / os.path.normpath(link.parent.relative_to(layer) / link.readlink())
        if other.exists():
            link.unlink()
            link.symlink_to(other)


def environ(layer: Layer, runtime: Runtime) -> dict[str, str]:
    """For compilers, pkg-config and mkmf; relative to the layers, wherever they are."""
    usr = layer.path / "usr"
    includes = usr / "include"
    arch = next(
        iter(sorted(includes.glob(f"*-linux-*/ruby-{runtime.abi}"))), includes / f"ruby-{runtime.abi}"
    )
    own = {"common": _text(includes / f"ruby-{runtime.abi}"), "arch": _text(arch)}
    script = layer.path / "headers.rb"
    write_file(script, HEADERS % own)
    # Libraries whose headers are in a folder of their own, and whose tools that tell it have the system's paths.
    folders = [includes, *sorted(includes.glob("*-linux-*")), includes / "postgresql", includes / "mariadb"]
    libraries = [*debs.library_folders(layer), *debs.library_folders(runtime.layer)]
    return {
        "RUBYOPT": f"-r{script}",
        "CPATH": ":".join(str(folder) for folder in folders if folder.is_dir()),
        "LIBRARY_PATH": ":".join(map(str, libraries)),
        "PKG_CONFIG_PATH": ":".join(str(folder) for folder in sorted(usr.glob("lib/*/pkgconfig"))),
    }


def _text(path: Path) -> str:
    # In single quotes Ruby reads only these two in a way of its own.
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"
