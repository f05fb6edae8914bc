"""The app's folder in the image: its jar, the jars it needs, and in which slices they become layers.

A jar of Spring Boot is taken apart as its own `jarmode=tools extract` does: the app's classes in a small jar, the
nested jars in `lib`, in the order of the class path. It starts faster than from inside one archive, and libraries, which
seldom change, are layers of their own.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from java import errors
from java.jar import MANIFEST, Jar, class_path_index, layer_index
from pybuild.libcnb import source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DATE = (1980, 1, 1, 0, 0, 2)
CLASSES, LIBRARIES = "BOOT-INF/classes/", "BOOT-INF/lib/"
MOST_BYTES = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """`jar`: what is run, relative to the app. `libraries`: jars beside it. `slices`: for launch.toml. `boot`: its
    Spring Boot's version, or empty."""

    jar: str
    libraries: tuple[str, ...] = ()
    slices: tuple[tuple[str, ...], ...] = ()
    boot: str = ""


def place(app: Path, jar: Jar, keep: Iterable[str]) -> Application:
    """Put the jar, and nothing but what belongs to it or matches `keep`, into the app's folder. Raises a `Problem`."""
    with tempfile.TemporaryDirectory(prefix="java-") as scratch:
        built = Path(scratch) / "built"
        made = _boot(jar, built) if jar.start_class else _plain(jar, built)
        source.clear(app, keep)
        for path in sorted(built.iterdir()):
            _move(path, app / path.name)
    return made


def pack(folder: Path, target: Path) -> None:
    """Make a jar of an app that came unpacked, its manifest first."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    ordered = sorted(names, key=lambda name: name != MANIFEST)
    _write(target, {name: names[name].read_bytes() for name in ordered})


def _boot(jar: Jar, target: Path) -> Application:
    with zipfile.ZipFile(jar.path) as archive:
        nested = [name for name in archive.namelist() if name.startswith(LIBRARIES) and name.endswith(".jar")]
        indexed = [name for name in class_path_index(jar.text("BOOT-INF/classpath.idx")) if name in nested]
        order = [*indexed, *(name for name in nested if name not in indexed)]
        libraries = tuple(f"lib/{PurePosixPath(name).name}" for name in order)
        _check_size(jar, archive)
        (target / "lib").mkdir(parents=True)
        for name, library in zip(order, libraries, strict=True):
            with archive.open(name) as stream, (target / library).open("wb") as file:
                shutil.copyfileobj(stream, file)
        name = f"{jar.path.stem}.jar"
        _repack(archive, target / name, manifest(jar, libraries))
    slices = tuple(
        paths
        for _, listed in layer_index(jar.text("BOOT-INF/layers.idx"))
        if (paths := tuple(_slice(listed)))
    )
    return Application(
        jar=name,
        libraries=libraries,
        slices=_without_folder_last(slices),
        boot=jar.manifest.get("Spring-Boot-Version", ""),
    )


def manifest(jar: Jar, libraries: Iterable[str]) -> str:
    """The small jar's manifest: the app's own main class, its libraries, and what the build said of it."""
    left_out = ("Main-Class", "Start-Class", "Class-Path", "Manifest-Version")
    kept = {
        name: value
        for name, value in jar.manifest.items()
        if name not in left_out and not name.startswith("Spring-Boot-")
    }
    fields = {
        "Manifest-Version": "1.0",
        "Main-Class": jar.start_class,
        "Class-Path": " ".join(libraries),
        **kept,
    }
    return "".join(_folded(f"{name}: {value}") for name, value in fields.items() if value) + "\r\n"


def _folded(line: str) -> str:
    # JAR specification: no line has more than 72 bytes; the next one begins with a blank.
    data = line.encode()
    parts = [data[:70], *(data[start : start + 69] for start in range(70, len(data), 69))]
    return b"\r\n ".join(parts).decode("utf-8", "surrogateescape") + "\r\n"


def _repack(archive: zipfile.ZipFile, target: Path, text: str) -> None:
    entries = {MANIFEST: text.encode("utf-8", "surrogateescape")}
    for name in sorted(archive.namelist()):
        if name.endswith("/") or name == MANIFEST:
            continue
        if name.startswith(CLASSES):
            entries[name.removeprefix(CLASSES)] = archive.read(name)
        elif name.startswith("META-INF/") and not name.startswith("META-INF/maven/"):
            entries[name] = archive.read(name)
    _write(target, entries)


def _write(target: Path, entries: Mapping[str, bytes]) -> None:
    """A jar with these entries. Folders have theirs, too: Spring looks for components by folder."""
    with zipfile.ZipFile(target, "w") as archive:
        folders: set[str] = set()
        for name, data in entries.items():
            parents = [f"{parent}/" for parent in reversed(PurePosixPath(name).parents) if parent.name]
            for folder in parents:
                if folder not in folders:
                    folders.add(folder)
                    archive.writestr(zipfile.ZipInfo(folder, date_time=DATE), b"")
            info = zipfile.ZipInfo(name, date_time=DATE)
            info.external_attr = 0o644 << 16
            # Stored: the image's layers are compressed in any case.
            archive.writestr(info, data)


def _slice(listed: Iterable[str]) -> Iterator[str]:
    """The paths of one layer of the index in our layout; the loader and the classes have no place of their own in it."""
    for path in listed:
        if path.startswith(LIBRARIES):
            rest = path.removeprefix(LIBRARIES)
            yield f"lib/{rest}" if rest else "lib/*"


def _without_folder_last(slices: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    # A slice takes what earlier ones left, so a whole folder must come after the files that others name in it.
    return tuple(sorted(slices, key=lambda paths: "lib/*" in paths))


def _plain(jar: Jar, target: Path) -> Application:
    """Any other executable archive: itself, and the files that its manifest's class path names beside it."""
    target.mkdir()
    if jar.path.parent.name == "quarkus-app":
        shutil.copytree(jar.path.parent, target / "quarkus-app")
        libraries = sorted((target / "quarkus-app/lib").rglob("*.jar"))
        names = tuple(str(path.relative_to(target)) for path in libraries)
        return Application(
            jar=f"quarkus-app/{jar.path.name}", libraries=names, slices=(("quarkus-app/lib/**",),)
        )
    shutil.copyfile(jar.path, target / jar.path.name)
    libraries = []
    for name in jar.class_path:
        file = jar.path.parent / name
        if ":" in name or name.startswith("/") or ".." in name.split("/") or not file.is_file():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / name)
        libraries.append(Path(name))
    names = tuple(map(str, libraries))
    return Application(jar=jar.path.name, libraries=names, slices=(names,) if names else ())


def _check_size(jar: Jar, archive: zipfile.ZipFile) -> None:
    if sum(info.file_size for info in archive.infolist()) > MOST_BYTES:
        raise errors.bad_jar(jar.path.name, f"Unpacked it would have more than {MOST_BYTES >> 30} GiB")


def _move(path: Path, target: Path) -> None:
    if path.is_dir() and target.is_dir():
        for inner in path.iterdir():
            _move(inner, target / inner.name)
    else:
        target.unlink(missing_ok=True)
        shutil.move(path, target)
