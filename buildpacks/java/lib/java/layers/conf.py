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
    # The C library would otherwise keep an arena of memory for each thread.
    layer.env("MALLOC_ARENA_MAX", "2", operation="default", scope="launch")
    start.web(layer)
    return layer


def spring(buildpack: Path) -> str:
    """The program that gives bound services Spring's names; it reads bindings as the one for all languages does."""
    functions, mark, _ = connections.SCRIPT.partition("declare -A told=()")
    assert mark
    return functions + (buildpack / "templates/spring").read_text()


def count_classes(jars: Iterable[Path]) -> int:
    """How many classes these jars have."""
    total = 0
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            total += sum(name.endswith(".class") for name in archive.namelist())
    return total
