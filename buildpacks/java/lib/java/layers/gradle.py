"""Layer `gradle`: what the app's Gradle wrapper downloads, Gradle itself included. There is no Gradle but the wrapper's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from java import errors
from pybuild.libcnb import output
from pybuild.libcnb.build_tool import BuildTool

if TYPE_CHECKING:
    from pathlib import Path

    from java.layers.jdk import Jdk
    from pybuild.libcnb.context import BuildContext

WRAPPER = "gradlew"
PROPERTIES = "gradle/wrapper/gradle-wrapper.properties"
DEFAULT_ARGUMENTS = "--no-daemon -Dorg.gradle.welcome=never assemble"

GRADLE = BuildTool(
    name="Gradle",
    again="./gradlew assemble",
    failed="Gradle could not build the app",
    remedies=(
        (
            r"invalid source release|invalid target release|No matching toolchains|Unsupported class file major version",
            "The sources or the wrapper's Gradle are for another Java than the one above: set BP_JVM_VERSION, or upgrade the wrapper.",
        ),
        (
            r"UnknownHost|Could not resolve|Could not GET|Connect(?:ion)? .*(?:timed out|refused)|PKIX",
            "Check that the build can reach the repositories and the wrapper's distributionUrl.",
        ),
        (
            r"Verification of Gradle distribution failed",
            f"Correct distributionSha256Sum or distributionUrl in {PROPERTIES}: the Gradle that came is another one.",
        ),
        (
            r"Could not find or load main class org\.gradle\.wrapper",
            "Commit gradle/wrapper/gradle-wrapper.jar; a .gitignore for *.jar leaves it out.",
        ),
    ),
)


def build(context: BuildContext, jdk: Jdk, mark: str) -> Path:
    """Build the app with its wrapper; return Gradle's folder of downloads. Raises a `Problem`."""
    wrapper = context.app / WRAPPER
    if not wrapper.is_file():
        raise errors.no_gradle_wrapper(mark)
    home = context.layers.tool_cache("gradle").path
    _warn_unchecked(context.app / PROPERTIES)
    words = ["sh", WRAPPER, *arguments(context)]
    environ = {"JAVA_HOME": str(jdk.home), "GRADLE_USER_HOME": str(home)}
    with output.timed(f"Built with {WRAPPER}"):
        GRADLE.run(words, context.app, environ)
    return home


def arguments(context: BuildContext) -> tuple[str, ...]:
    """The words of the build, as Paketo's settings give them. Raises a `Problem`."""
    return (
        *context.words("BP_GRADLE_BUILD_ARGUMENTS", DEFAULT_ARGUMENTS),
        *context.words("BP_GRADLE_ADDITIONAL_BUILD_ARGUMENTS"),
    )


def _warn_unchecked(properties: Path) -> None:
    text = properties.read_text(errors="replace") if properties.is_file() else ""
    if "distributionUrl" in text and "distributionSha256Sum" not in text:
        output.warning(
            f"{PROPERTIES} has no distributionSha256Sum, so nothing checks the Gradle that is downloaded.\n"
            "`./gradlew wrapper --gradle-distribution-sha256-sum …` adds it."
        )
