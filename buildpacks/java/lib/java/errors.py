"""All that this buildpack tells a user whose app it cannot build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.problem import Paste, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence


def bad_version(text: str, place: str) -> Problem:
    """A version that is none."""
    return Problem(
        "The Java version cannot be understood",
        f"{place} says {text!r}; expected a version such as 17, 17.0.9 or 1.8.",
        steps=(f"Correct it in {place}.",),
    )


def no_such_version(feature: int, why: str, available: Sequence[int]) -> Problem:
    """The package sources do not have the Java that is asked for."""
    shown = ", ".join(map(str, available)) or "none"
    return Problem(
        f"There is no Java {feature} to install",
        f"{why}, but this builder's package sources have Java {shown}.",
        steps=(
            f"Ask for a Java that there is, if the app runs on it: {shown}.",
            "Or use a builder whose release has it; Debian 13 has Java 21 and 25.",
            "Or add a package source that has it to the builder's /etc/apt/sources.list.d.",
        ),
    )


def no_java() -> Problem:
    """The package sources have no JDK at all."""
    return Problem(
        "No JDK to install",
        "The builder's package sources have no package openjdk-…-jdk-headless.",
        steps=("Use a Debian or Ubuntu builder, with its main package source.",),
    )


def bad_pom(name: str, reason: str) -> Problem:
    """A pom that is no XML."""
    return Problem(
        f"{name} cannot be read", reason, steps=("`mvn validate` on your machine shows what is wrong.",)
    )


def bad_jar(name: str, reason: str) -> Problem:
    """A jar that is no archive."""
    return Problem(f"{name} is no jar", f"{reason}.", steps=("Build it again; it may have been cut off.",))


def no_gradle_wrapper(mark: str) -> Problem:
    """Gradle without its wrapper."""
    return Problem(
        "The app has no Gradle wrapper",
        f"There is {mark}, but no gradlew: which Gradle builds the app is not known, and no package source has a current one.",
        steps=(
            "Run `gradle wrapper` in the root of the app.",
            "Commit gradlew, gradlew.bat and the folder gradle/wrapper.",
        ),
    )


def no_artifact(pattern: str, found: Sequence[str]) -> Problem:
    """The build made nothing that can be run."""
    made = f"It made {', '.join(found)}, which cannot be run." if found else "It made no jar."
    return Problem(
        "The build made no executable jar",
        f"No file of {pattern} has a Main-Class in its manifest. {made}",
        steps=(
            "With Spring Boot, use its Maven or Gradle plugin, which makes an executable jar.",
            "With others, name the main class in the manifest, and copy dependencies into lib/ or into the jar.",
            "In a build of several modules, name the one with the app: BP_MAVEN_BUILT_MODULE or BP_GRADLE_BUILT_MODULE.",
            "A jar in another place: BP_MAVEN_BUILT_ARTIFACT or BP_GRADLE_BUILT_ARTIFACT.",
        ),
        paste=Paste(
            file="pom.xml",
            text=(
                "<plugin>\n  <artifactId>maven-jar-plugin</artifactId>\n  <configuration><archive><manifest>\n"
                "    <mainClass>com.example.Main</mainClass>\n    <addClasspath>true</addClasspath>\n"
                "    <classpathPrefix>lib/</classpathPrefix>\n  </manifest></archive></configuration>\n</plugin>"
            ),
            action="Without Spring Boot, for example, add to the plugins of",
        ),
    )


def several_artifacts(found: Sequence[str], setting: str) -> Problem:
    """More than one executable jar."""
    return Problem(
        "Several jars could be the app",
        f"These can all be run: {', '.join(found)}.",
        steps=(f"Name one in {setting}, relative to the app.",),
    )


def web_archive(name: str) -> Problem:
    """A WAR that needs an application server."""
    return Problem(
        "A web archive needs a server",
        f"The build made {name}, which only an application server can run; the image would have none.",
        steps=(
            "With Spring Boot: set the packaging to jar, or keep war and let Boot's plugin repackage it, with the embedded server.",
            "With others: embed a server, such as Jetty or Tomcat, and make an executable jar.",
            "To run an application server, use a Dockerfile or a buildpack that brings it.",
        ),
    )


def bad_settings(binding: str) -> Problem:
    """A Maven binding without settings."""
    return Problem(
        "Maven's settings are missing",
        f"The binding {binding!r} has the type maven, but no file settings.xml.",
        steps=("Put Maven's settings.xml into the binding, under this very name.",),
    )


def no_such_module(setting: str, asked: str) -> Problem:
    """A module that is no folder of the app."""
    return Problem(
        "The module does not exist",
        f"{setting} is {asked!r}, which is no folder inside the app.",
        steps=(f"Set {setting} to the folder of a module, relative to the root of the app.",),
    )
