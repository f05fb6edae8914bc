"""From Java source to an image that runs it: JDK, build tool, the app's jars in slices, a linked runtime, memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from java import application, artifact, contents, project, versions
from java.jar import MANIFEST, Jar
from java.layers import cds, conf, gradle, jdk, maven, runtime, tests
from pybuild.libcnb import apt, output, source, start
from pybuild.libcnb.launch import Built, Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from java.application import Application
    from java.layers.jdk import Jdk
    from java.layers.maven import Maven
    from java.project import Project
    from pybuild.libcnb.context import BuildContext


def build(context: BuildContext) -> Built:
    """The whole build, top to bottom."""
    output.heading(f"Java buildpack {context.version}")
    found = project.find(context.app, context.environ) or project.Project(kind="maven", mark="pom.xml")
    request = versions.wanted(context, found.compiled_for)
    keep = source.kept_patterns(context)
    with apt.opened(context) as sources:
        java = jdk.install(context, request, sources)
        tool = maven.install(context, java, sources) if found.kind == "maven" else None
    with tempfile.TemporaryDirectory(prefix="java-") as scratch:
        jar, repository = compiled(context, found, java, tool, Path(scratch))
        if context.exec_env == "test" and tool:
            tests.warm(context, tool)
            tests.write(context, java, tool)
            keep = ("*",)
        made = application.place(context.app, jar, keep)
    show(made)
    context.sbom("launch", contents.components(context.app, made.libraries, repository))
    small = runtime.install(context, java)
    conf.write(context, small, made)
    options = cds.train(context, java, small, made)
    jdk.seal(java)
    return Built(
        processes=start.beside_procfile(
            context, processes(made, options, tested=bool(tool) and context.exec_env == "test")
        ),
        slices=made.slices,
    )


def compiled(
    context: BuildContext, found: Project, java: Jdk, tool: Maven | None, scratch: Path
) -> tuple[Jar, Path | None]:
    """The app's executable jar, and the folder of the build tool's downloads. Raises a `Problem`."""
    if tool:
        words = maven.arguments(context)
        output.section(f"Maven builds {found.mark}")
        with output.timed("Built"):
            tool.run(*words, cwd=context.app)
        return artifact.find(context.app, "MAVEN", context.environ), tool.repository
    if found.kind == "gradle":
        output.section(f"Gradle builds {found.mark}")
        home = gradle.build(context, java, found.mark)
        return artifact.find(context.app, "GRADLE", context.environ), home
    output.section(f"The app is built already: {found.mark}")
    if found.mark == MANIFEST:
        packed = scratch / "app.jar"
        application.pack(context.app, packed)
        return Jar.read(packed), None
    return Jar.read(context.app / found.mark), None


def show(made: Application) -> None:
    """Say what runs."""
    kind = f", Spring Boot {made.boot}" if made.boot else ""
    count = len(made.libraries)
    output.section(
        f"The app is {made.jar}{kind}, with {count} librar{'y' if count == 1 else 'ies'} beside it"
    )


def processes(made: Application, options: tuple[str, ...] = (), *, tested: bool) -> tuple[Process, ...]:
    """`web`, and `test` where the tests can be run."""
    return tuple(_processes(made, options, tested))


def _processes(made: Application, options: tuple[str, ...], tested: bool) -> Iterator[Process]:
    yield Process(type="web", command=("java", *options, "-jar", made.jar), default=True)
    if tested:
        yield Process(type="test", command=(tests.RUNNER,), exec_envs=("test",))
