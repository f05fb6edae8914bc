"""Layer `java-tests`, in images for the execution environment `test`: what runs Maven's tests without a network.

The JDK, Maven and its repository are in such an image. The app's folder belongs to another user there, so it is copied.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pybuild.libcnb.layers import Types, write_file

if TYPE_CHECKING:
    from java.layers.jdk import Jdk
    from java.layers.maven import Maven
    from pybuild.libcnb.context import BuildContext

RUNNER = "maven-test"

_SCRIPT = """\
#!/usr/bin/env bash
# Runs the app's tests from a copy of its source; further words go to Maven.
set -eu
work=$(mktemp -d)
cp -R {app}/. "$work"
cd "$work"
export JAVA_HOME={home} HOME=$work
exec {program} {words} --offline surefire:test "$@"
"""


def write(context: BuildContext, jdk: Jdk, maven: Maven) -> None:
    """Write the program that the process `test` starts."""
    layer = context.layers.fresh_layer("java-tests", Types(launch=True))
    text = _SCRIPT.format(
        app=shlex.quote(str(context.app)),
        home=shlex.quote(str(jdk.home)),
        program=shlex.quote(str(maven.program)),
        words=shlex.join(maven.words),
    )
    write_file(layer.path / "bin" / RUNNER, text, mode=0o755)
