"""Layer `jdk`: the distribution's JDK, for the build alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from java import cacerts, errors, versions
from pybuild.errors import BuildError
from pybuild.libcnb import command, debs, output
from pybuild.libcnb.dpkg import stand_in
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from pathlib import Path

    from java.versions import Wanted
    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

_PACKAGE = re.compile(r"openjdk-(\d+)-jdk-headless")
# Compilers and servers draw nothing: without these the JDK needs no libraries of its own.
_DESKTOP = (
    "libasound2",
    "libcups2",
    "libfontconfig1",
    "libfreetype6",
    "libharfbuzz0b",
    "libjpeg62-turbo",
    "liblcms2-2",
    "libnss3",
    "libpcsclite1",
    "ca-certificates-java",
    "java-common",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jdk:
    """A JDK at `home`: `feature` 17, `version` as its package has it."""

    layer: Layer
    home: Path
    feature: int
    version: str


def install(context: BuildContext, request: Wanted, apt: Apt) -> Jdk:
    """Choose and have it in a layer. Raises a `Problem`."""
    known = {int(match[1]): name for name in apt.names("openjdk-") if (match := _PACKAGE.fullmatch(name))}
    if not known:
        raise errors.no_java()
    feature = versions.choose(request, known)
    package = known[feature]
    arch = command.read(["dpkg", "--print-architecture"]).strip()
    apt.pretend("".join(stand_in(name, arch) for name in _DESKTOP))
    version = context.resolved.choose("jdk", lambda: apt.versions(package)[0])
    output.section(f"Java {version.split('~')[0]} ({request.why})")
    # In the image of tests the compiler is needed, too.
    types = Types(launch=context.exec_env == "test", build=True, cache=True)
    made = debs.deb_layer(context, "jdk", (f"{package}={version}",), types, apt=apt)
    home = next(iter(sorted((made.layer.path / "usr/lib/jvm").glob(f"java-{feature}-openjdk-*"))), None)
    if home is None:
        raise BuildError(f"{package} has no folder usr/lib/jvm/java-{feature}-openjdk-…")
    cacerts.write(home / cacerts.PLACE, cacerts.of_build(context.environ))
    made.layer.env("JAVA_HOME", str(home), scope="build")
    made.layer.search_path("PATH", home / "bin", scope="build")
    return Jdk(layer=made.layer, home=home, feature=feature, version=version)


def seal(jdk: Jdk) -> None:
    """Once all is built, a JDK that stays in the image trusts what an app does: not what was bound to the build alone."""
    if jdk.layer.types.launch:
        cacerts.write(jdk.home / cacerts.PLACE, cacerts.of_image())
