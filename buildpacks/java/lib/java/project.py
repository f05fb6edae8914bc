"""What kind of Java app this is, and what its build file says: Maven, Gradle, or a jar that is built already."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from java import errors
from java.jar import MANIFEST, Jar, app_class, class_feature, main_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Kind = Literal["maven", "gradle", "jar"]

GRADLE_FILES = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
MOST_BYTES = 16 << 20

# The first that the pom states, its own properties before what a plugin is told.
_PROPERTIES = (
    "maven.compiler.release",
    "java.version",
    "maven.compiler.target",
    "maven.compiler.source",
)
_GRADLE = (
    r"JavaLanguageVersion\.of\(\s*['\"]?(\d+)",
    r"jvmToolchain\(\s*(\d+)",
    r"(?:source|target)Compatibility\s*=?\s*['\"]?(?:JavaVersion\.VERSION_)?(?:1[._])?(\d+)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`mark`: the file that told. `compiled_for`: the Java of the sources and the place that says so, or empty texts."""

    kind: Kind
    mark: str
    compiled_for: tuple[str, str] = ("", "")


def find(app: Path, settings: Mapping[str, str]) -> Project | None:
    """The app's kind; None when there is nothing of Java. Raises a `Problem` for a pom that cannot be read."""
    pom = settings.get("BP_MAVEN_POM_FILE", "").strip() or "pom.xml"
    if (app / pom).is_file():
        return Project(kind="maven", mark=pom, compiled_for=(pom_version(app / pom), pom))
    for name in GRADLE_FILES:
        if (app / name).is_file():
            return Project(kind="gradle", mark=name, compiled_for=_gradle_version(app))
    if mark := prebuilt(app):
        feature = _unpacked_feature(app) if mark == MANIFEST else Jar.read(app / mark).feature
        return Project(kind="jar", mark=mark, compiled_for=(str(feature or ""), mark if feature else ""))
    return None


def prebuilt(app: Path) -> str:
    """An executable jar in the root, or an unpacked one that is the app: its name, empty when there is none."""
    if (app / MANIFEST).is_file():
        return MANIFEST
    for file in sorted([*app.glob("*.jar"), *app.glob("*.war")]):
        if Jar.is_executable(file):
            return file.name
    return ""


def _unpacked_feature(app: Path) -> int:
    manifest = main_attributes((app / MANIFEST).read_bytes()[:MOST_BYTES].decode("utf-8", "replace"))
    for name in app_class(manifest):
        if (app / name).is_file():
            with (app / name).open("rb") as stream:
                return class_feature(stream.read(8))
    return 0


def pom_version(pom: Path) -> str:
    """The Java that a pom compiles for, as text; empty when it does not say. Raises a `Problem`."""
    with pom.open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    # A document type could define entities without end; no pom has one.
    if len(data) > MOST_BYTES or b"<!DOCTYPE" in data:
        raise errors.bad_pom(pom.name, "It is too large, or has a document type.")
    try:
        root = ET.fromstring(data)
    except ET.ParseError as exc:
        raise errors.bad_pom(pom.name, f"{exc}.") from exc
    for element in root.iter():
        element.tag = re.sub(r"^\{[^}]*\}", "", str(element.tag))
    properties = {child.tag: (child.text or "").strip() for child in root.iterfind("properties/*")}
    told = [properties.get(name, "") for name in _PROPERTIES]
    for plugin in root.iter("plugin"):
        if plugin.findtext("artifactId", "").strip() == "maven-compiler-plugin":
            told += [plugin.findtext(f"configuration/{name}", "").strip() for name in ("release", "target")]
    resolved = (_resolve(text, properties) for text in told if text)
    return next((text for text in resolved if re.fullmatch(r"[\d.]+", text)), "")


def _resolve(text: str, properties: Mapping[str, str]) -> str:
    for _ in range(5):
        text = re.sub(r"\$\{([^}]+)\}", lambda found: properties.get(found[1], ""), text)
    return text


def _gradle_version(app: Path) -> tuple[str, str]:
    for name in GRADLE_FILES[:2]:
        file = app / name
        text = file.read_text(errors="replace") if file.is_file() and file.stat().st_size < MOST_BYTES else ""
        for pattern in _GRADLE:
            if found := re.search(pattern, text):
                return found[1], name
    return "", ""
