"""Layer `java-tests`, in images for the execution environment `test`: what runs Maven's tests without a network.

The JDK, Maven and its repository are in such an image. The app's folder belongs to another user there, so it is copied.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from java.layers import maven
from pybuild.libcnb import output
from pybuild.libcnb.layers import Types, write_file
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from java.layers.jdk import Jdk
    from pybuild.libcnb.context import BuildContext

RUNNER = "maven-test"
SECONDS = 120

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


def warm(context: BuildContext, tool: maven.Maven) -> None:
    """Run the tests once, whatever comes of it: only then does Maven fetch what runs them."""
    output.section("Maven runs the tests once, so that it has all it needs for them")
    words = ("surefire:test", "-Dmaven.test.failure.ignore=true", f"-Dsurefire.timeout={SECONDS}")
    try:
        tool.run(*words, *maven.selection(context), cwd=context.app)
    except Problem:
        output.warning(
            "The tests could not be run now; the process test may lack something that it cannot download."
        )


def write(context: BuildContext, jdk: Jdk, tool: maven.Maven) -> None:
    """Write the program that the process `test` starts."""
    layer = context.layers.fresh_layer("java-tests", Types(launch=True))
    text = _SCRIPT.format(
        app=shlex.quote(str(context.app)),
        home=shlex.quote(str(jdk.home)),
        program=shlex.quote(str(tool.program)),
        words=shlex.join((*tool.words, *maven.selection(context))),
    )
    write_file(layer.path / "bin" / RUNNER, text, mode=0o755)
