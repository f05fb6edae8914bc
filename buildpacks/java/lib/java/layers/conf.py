"""Layer `java-conf`: what runs before the app: memory settings, the port, bound services, bound certificates."""

from __future__ import annotations

import shlex
import zipfile
from typing import TYPE_CHECKING

from java import cacerts
from pybuild.libcnb import connections, start
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from java.application import Application
    from java.layers.runtime import Runtime
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

# Of all classes there are, apps have been seen to load about this part (Paketo's libjvm).
LOADED = 0.35
PLATFORM_CLASSES = 27_000

# Frameworks that read no PORT, by a class that their apps have, and the variable that they read.
_PORTS = {
    "io/micronaut/runtime/Micronaut.class": "MICRONAUT_SERVER_PORT",
    "io/quarkus/runtime/Quarkus.class": "QUARKUS_HTTP_PORT",
}
_SERVER_PORT = """#!/usr/bin/env bash
# exec.d: the port by the name that the framework reads, unless that is set. Runs after the one that checks PORT.
[[ -n ${@name@-} ]] || printf '@name@ = "%s"\\n' "$PORT" >&3
"""


def write(context: BuildContext, runtime: Runtime, made: Application) -> Layer:
    """Write the layer anew."""
    layer = context.layers.fresh_layer("java-conf", Types(launch=True, build=True))
    jars = [context.app / name for name in (made.jar, *made.libraries)]
    classes = int(LOADED * (PLATFORM_CLASSES + count_classes(jars)))
    memory = (context.buildpack / "templates/memory").read_text()
    layer.exec_d("memory", memory.replace("@classes@", str(classes)))
    trust = (context.buildpack / "templates/trust").read_text()
    layer.exec_d("trust", trust.replace("@store@", shlex.quote(str(runtime.home / cacerts.PLACE))))
    layer.exec_d(connections.NAME, connections.SCRIPT)
    if made.boot:
        layer.exec_d("spring", spring(context.buildpack))
    if program := server_port(jars):
        layer.exec_d("server-port", program)
    # The C library would otherwise keep an arena of memory for each thread.
    layer.env("MALLOC_ARENA_MAX", "2", operation="default", scope="launch")
    start.web(layer)
    return layer


def spring(buildpack: Path) -> str:
    """The program that gives bound services Spring's names; it reads bindings as the one for all languages does."""
    functions, mark, _ = connections.SCRIPT.partition("declare -A told=()")
    assert mark
    return functions + (buildpack / "templates/spring").read_text()


def server_port(jars: Iterable[Path]) -> str:
    """The program that tells a framework its port; empty for an app of none that needs it."""
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            names = {*archive.namelist()}
        for mark, variable in _PORTS.items():
            if mark in names:
                return _SERVER_PORT.replace("@name@", variable)
    return ""


def count_classes(jars: Iterable[Path]) -> int:
    """How many classes these jars have."""
    total = 0
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            total += sum(name.endswith(".class") for name in archive.namelist())
    return total
