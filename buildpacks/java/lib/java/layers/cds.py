"""Layer `cds`, where it is asked for: the app's classes as the JVM has them in memory, from a start of the app at build.

A JVM with this archive need not read and check them again. It must find the very jars, by path, size and date: files of an
image all have one date, so the jars get it before the start.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from java import digests
from pybuild.libcnb import command, output
from pybuild.libcnb.layers import Empty, Key, Types
from pybuild.libcnb.version import numbers

if TYPE_CHECKING:
    from java.application import Application
    from java.layers.jdk import Jdk
    from java.layers.runtime import Runtime
    from pybuild.libcnb.context import BuildContext

SETTING = "BP_JVM_CDS_ENABLED"
SECONDS = 180
# Platform API, "exporter": what lifecycles give every file, 1980-01-01T00:00:01Z.
DATE = 315_532_801
# From this Spring Boot on an app can be told to end once it is set up, before it answers anybody.
FIRST_BOOT = (3, 2, 0)


def train(context: BuildContext, jdk: Jdk, runtime: Runtime, made: Application) -> tuple[str, ...]:
    """The JVM's words for using the archive; none when it is not asked for, or the app does not start at build."""
    if not context.flag(SETTING):
        return ()
    if numbers(made.boot) < FIRST_BOOT:
        output.warning(
            f"{SETTING} is for Spring Boot 3.2 and newer; the app starts without an archive of its classes."
        )
        return ()
    jars = [context.app / name for name in (made.jar, *made.libraries)]
    for jar in jars:
        os.utime(jar, (DATE, DATE))
    key: Key = {"buildpack": context.version, "jdk": jdk.version, "jars": digests.of(jars)}
    answer = context.layers.cached_layer("cds", Types(launch=True, cache=True), key=key)
    archive = answer.layer.path / "app.jsa"
    if isinstance(answer, Empty):
        words = [f"-XX:ArchiveClassesAtExit={archive}", "-Dspring.context.exit=onRefresh", "-jar", made.jar]
        try:
            with output.timed("Started the app once, for an archive of its classes"):
                command.read([runtime.home / "bin/java", *words], cwd=context.app, timeout=SECONDS)
        except command.ToolFailed as exc:
            last = "\n".join(exc.output.splitlines()[-5:])
            output.warning(
                f"The app does not start at build, so there is no archive of its classes: {exc}.\n{last}"
            )
    return (f"-XX:SharedArchiveFile={archive}",) if archive.is_file() else ()
