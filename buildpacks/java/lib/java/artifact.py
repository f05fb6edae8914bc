"""Which of the files that a build made is the app: the one that can be run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from java import errors
from java.jar import Jar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# Maven's place, Gradle's place; with * in front for the modules of a bigger build.
PLACES: Mapping[str, str] = {"MAVEN": "target/*.[ejw]ar", "GRADLE": "build/libs/*.[jw]ar"}
QUARKUS: Mapping[str, str] = {
    "MAVEN": "target/quarkus-app/quarkus-run.jar",
    "GRADLE": "build/quarkus-app/quarkus-run.jar",
}
_BESIDE = ("-sources.jar", "-javadoc.jar", "-tests.jar", "-plain.jar", "-plain.war")


def find(app: Path, tool: str, settings: Mapping[str, str]) -> Jar:
    """The app's archive, as the settings say or as it is usual for `tool`, MAVEN or GRADLE. Raises a `Problem`."""
    setting = f"BP_{tool}_BUILT_ARTIFACT"
    module = settings.get(f"BP_{tool}_BUILT_MODULE", "").strip().strip("/")
    asked = settings.get(setting, "").strip().lstrip("/")
    root = app / module
    if not root.resolve().is_relative_to(app.resolve()) or not root.is_dir():
        raise errors.no_such_module(f"BP_{tool}_BUILT_MODULE", module)
    patterns = [asked] if asked else [QUARKUS[tool], PLACES[tool], *([] if module else [f"*/{PLACES[tool]}"])]
    seen: list[Path] = []
    for pattern in patterns:
        files = [file for file in sorted(root.glob(pattern)) if file.is_file() and not _beside(file)]
        seen += files
        runnable = [jar for jar in map(Jar.read, files) if jar.main_class]
        if len(runnable) == 1:
            return runnable[0]
        if runnable:
            raise errors.several_artifacts([str(jar.path.relative_to(app)) for jar in runnable], setting)
    if archives := [file for file in seen if file.suffix == ".war"]:
        raise errors.web_archive(archives[0].name)
    raise errors.no_artifact(patterns[-1 if asked else 1], _names(seen, app))


def _beside(file: Path) -> bool:
    return file.name.endswith(_BESIDE) or file.name.startswith("original-")


def _names(files: Iterable[Path], app: Path) -> list[str]:
    return [str(file.relative_to(app)) for file in files]
