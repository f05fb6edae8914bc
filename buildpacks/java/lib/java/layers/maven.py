"""Layers `maven` and `m2`: the distribution's Maven, or the one that the app's wrapper names, and its repository."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from java import errors
from pybuild.libcnb import archive, command, debs, output
from pybuild.libcnb.bindings import of_type
from pybuild.libcnb.build_tool import BuildTool
from pybuild.libcnb.dpkg import stand_in, upstream
from pybuild.libcnb.layers import Empty, Types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from java.layers.jdk import Jdk
    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext

WRAPPER = ".mvn/wrapper/maven-wrapper.properties"
DEFAULT_ARGUMENTS = "-Dmaven.test.skip=true package"
# Files in jars get this date where the pom says nothing: what was built from the same source is the same.
DATE = "-Dproject.build.outputTimestamp=1980-02-01T00:00:00Z"

_VERSION = re.compile(r"apache-maven-(\d[\w.-]*?)-bin\.(?:zip|tar\.gz)")
MAVEN = BuildTool(
    name="Maven",
    again="mvn package",
    failed="Maven could not build the app",
    remedies=(
        (
            r"release version \d+ not supported|invalid target release|has been compiled by a more recent version",
            "The sources are for a newer Java than the one above: set BP_JVM_VERSION, or lower `maven.compiler.release`.",
        ),
        (
            r"Could not transfer|Could not resolve|PKIX|Unknown host|Connect(?:ion)? .*(?:timed out|refused)",
            "Check that the build can reach the repositories; mirrors and credentials belong into a binding of type maven.",
        ),
        (
            r"status code: 40[13]|Not authorized|Unauthorized",
            "Give the repository's credentials in a settings.xml, as a binding of type maven.",
        ),
        (
            r"There are test failures",
            "Correct the tests, or leave them to an image for the execution environment test.",
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maven:
    """Maven as it is started: `program`, its variables, and the words that every call begins with."""

    program: Path
    environ: Mapping[str, str]
    words: tuple[str, ...]
    repository: Path

    def run(self, *words: str, cwd: Path) -> None:
        """Run goals, output shown. Raises a `Problem`."""
        MAVEN.run([self.program, *self.words, *words], cwd, self.environ)


def install(context: BuildContext, jdk: Jdk, apt: Apt) -> Maven:
    """Have Maven in a layer, in the version that `BP_MAVEN_VERSION` or the app's wrapper names, else Debian's."""
    arch = command.read(["dpkg", "--print-architecture"]).strip()
    apt.pretend("".join(stand_in(name, arch) for name in ("default-jre-headless", "java7-runtime-headless")))
    types = Types(launch=context.exec_env == "test", build=True, cache=True)
    made = debs.deb_layer(context, "maven", ("maven",), types, apt=apt)
    repository = context.layers.tool_cache(
        "m2", types=Types(launch=context.exec_env == "test", cache=True)
    ).path
    forget_failures(repository)
    ours = Maven(
        program=made.layer.path / "usr/share/maven/bin/mvn",
        environ={"JAVA_HOME": str(jdk.home), "MAVEN_OPTS": _options(context)},
        words=(
            "--batch-mode",
            "--no-transfer-progress",
            "-Dstyle.color=never",
            f"-Dmaven.repo.local={repository}",
            *_settings(context),
        ),
        repository=repository,
    )
    version, why = _asked(context)
    own = upstream(made.version("maven"))
    if not version or version == own:
        output.step(f"Maven {own}")
        return ours
    return Maven(
        program=_fetched(context, ours, version, why),
        environ=ours.environ,
        words=ours.words,
        repository=repository,
    )


def arguments(context: BuildContext) -> tuple[str, ...]:
    """The words of the build, as Paketo's settings give them. Raises a `Problem`."""
    default = DEFAULT_ARGUMENTS if context.exec_env != "test" else "test-compile package -DskipTests"
    return (
        *context.words("BP_MAVEN_BUILD_ARGUMENTS", default),
        *context.words("BP_MAVEN_ADDITIONAL_BUILD_ARGUMENTS"),
        DATE,
        *selection(context),
    )


def selection(context: BuildContext) -> tuple[str, ...]:
    """The words that say which pom and profiles every call is about."""
    found = []
    if profiles := context.setting("BP_MAVEN_ACTIVE_PROFILES"):
        found.append(f"-P{profiles}")
    if pom := context.setting("BP_MAVEN_POM_FILE"):
        found += ["--file", pom]
    return tuple(found)


def wrapper_version(text: str) -> str:
    """The version in a wrapper's `distributionUrl`; empty when it names none."""
    line = re.search(r"^\s*distributionUrl\s*[=:]\s*(\S+)", text, re.MULTILINE)
    found = _VERSION.search(line[1]) if line else None
    return found[1] if found else ""


def _asked(context: BuildContext) -> tuple[str, str]:
    if asked := context.setting("BP_MAVEN_VERSION"):
        return asked, "BP_MAVEN_VERSION"
    file = context.app / WRAPPER
    return (wrapper_version(file.read_text(errors="replace")), WRAPPER) if file.is_file() else ("", "")


def _fetched(context: BuildContext, ours: Maven, version: str, why: str) -> Path:
    """Another Maven, as an artifact of the repository that the app uses, its checksum required."""
    answer = context.layers.cached_layer(
        "maven-own", Types(launch=context.exec_env == "test", cache=True), key={"maven": version}
    )
    root = answer.layer.path
    if isinstance(answer, Empty):
        with tempfile.TemporaryDirectory(prefix="maven-") as scratch:
            ours.run(
                "--quiet",
                "--strict-checksums",
                "dependency:copy",
                f"-Dartifact=org.apache.maven:apache-maven:{version}:tar.gz:bin",
                f"-DoutputDirectory={scratch}",
                cwd=Path(scratch),
            )
            archive.unpack(Path(scratch) / f"apache-maven-{version}-bin.tar.gz", root, strip=1)
    output.step(f"Maven {version} ({why})")
    return root / "bin/mvn"


def _options(context: BuildContext) -> str:
    proxies = []
    for scheme in ("http", "https"):
        found = re.match(r"(?:\w+://)?(?:[^@/]*@)?([^:/]+)(?::(\d+))?", context.setting(f"{scheme}_proxy"))
        if found:
            proxies += [f"-D{scheme}.proxyHost={found[1]}", f"-D{scheme}.proxyPort={found[2] or 80}"]
    return " ".join([*proxies, context.setting("MAVEN_OPTS")]).strip()


def forget_failures(repository: Path) -> None:
    """Maven would not ask again for what a build before did not find, until a day has passed."""
    for file in repository.rglob("*.lastUpdated"):
        file.unlink()


def _settings(context: BuildContext) -> tuple[str, ...]:
    for binding in of_type(context.bindings, "maven"):
        if "settings.xml" not in binding.values:
            raise errors.bad_settings(binding.name)
        root = context.environ.get("SERVICE_BINDING_ROOT") or str(context.platform / "bindings")
        words = ["--settings", f"{root}/{binding.name}/settings.xml"]
        if "settings-security.xml" in binding.values:
            words.append(f"-Dsettings.security={root}/{binding.name}/settings-security.xml")
        return tuple(words)
    return ()
