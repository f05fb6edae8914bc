"""Layer `jre`: a runtime of the JDK's modules without its tools, with an archive of the classes that every app loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from java import cacerts
from pybuild.libcnb import command, debs, output
from pybuild.libcnb.dpkg import components
from pybuild.libcnb.layers import Empty, Key, Types

if TYPE_CHECKING:
    from pathlib import Path

    from java.layers.jdk import Jdk
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

# The platform's modules, and those of the JDK that servers use without naming them: TLS with elliptic curves, Unsafe,
# zip and jar file systems, monitoring, Kerberos, other languages' character sets, debugging.
MODULES = (
    "java.se",
    "jdk.charsets",
    "jdk.crypto.ec",
    "jdk.httpserver",
    "jdk.jdwp.agent",
    "jdk.jfr",
    "jdk.localedata",
    "jdk.management",
    "jdk.management.agent",
    "jdk.naming.dns",
    "jdk.net",
    "jdk.security.auth",
    "jdk.security.jgss",
    "jdk.unsupported",
    "jdk.zipfs",
)
OPTIONS = ("--strip-java-debug-attributes", "--no-header-files", "--no-man-pages", "--compress=2")
SETTING = "BP_JVM_JLINK_ARGS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A Java that runs apps. `classes`: how many the platform has, for the memory that they take."""

    layer: Layer
    home: Path


def install(context: BuildContext, jdk: Jdk) -> Runtime:
    """Have the runtime in a layer, linked anew when the JDK is another. Raises a `Problem`."""
    own = context.words(SETTING)
    modules = ",".join(MODULES)
    key: Key = {
        "buildpack": context.version,
        "arch": context.target.arch,
        "jdk": jdk.version,
        "options": " ".join([modules, *OPTIONS, *own]),
    }
    answer = context.layers.cached_layer("jre", Types(launch=True, cache=True), key=key)
    home = answer.layer.path / "java"
    if isinstance(answer, Empty):
        output.step(f"Layer jre is made{' again' if answer.old else ''}: {'; '.join(answer.causes)}")
        with output.timed("Linked a runtime from the JDK's modules"):
            _link(jdk, home, [*own, "--add-modules", modules] if "--add-modules" not in own else list(own))
    else:
        output.step("Layer jre is reused")
    cacerts.write(home / cacerts.PLACE, cacerts.of_image())
    answer.layer.env("JAVA_HOME", str(home), scope="launch")
    answer.layer.search_path("PATH", home / "bin", scope="launch")
    controls = [
        text for text in debs.controls(jdk.layer) if text.startswith(f"Package: openjdk-{jdk.feature}-jre")
    ]
    target = context.target
    context.sbom(
        answer.layer,
        components(controls, distro=target.distro or "debian", distro_version=target.distro_version),
    )
    return Runtime(layer=answer.layer, home=home)


def _link(jdk: Jdk, home: Path, words: list[str]) -> None:
    try:
        command.read([jdk.home / "bin/jlink", *OPTIONS, *words, "--output", home])
        command.read([home / "bin/java", "-Xshare:dump"])
    except command.ToolFailed as exc:
        raise command.explained(
            exc, "No runtime could be linked", steps=(f"If {SETTING} is set, check the modules in it.",)
        ) from exc
