"""What a build may see and nobody may keep: files of `--secret` and `--binding`, on a tmpfs of the build container.

They travel over the container's control channel, so they are in no image, no volume, no argument and no variable, and
end with the container. Their values are hidden from everything that is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild import events
from pybuild.errors import InvalidInput
from pybuild.lifecycle.scripts import run_lines
from pybuild.platform.typed_path import typed_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pybuild.buildenv.api import BuildEnv

SECRETS_DIR = "/run/secrets"
BINDINGS_DIR = "/platform/bindings"
MOST_BYTES = 1 << 20
"""Of one file; a secret is no place for data."""

_MOST_FILES = 1000
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_TOLD = frozenset({"type", "provider"})
"""Files of a binding that say what it is, and nothing secret."""
_SHORTEST_LINE = 8
_CHUNK = 4 << 10
_SECRET_HINT = "--secret id=token,src=token.txt, or --secret id=token,env=TOKEN"
_BINDING_HINT = "--binding db=./binding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confided:
    """One file for the build. `path`: in the build container; `origin`: where it was read, None for a variable."""

    path: str
    content: bytes
    origin: Path | None = None

    @property
    def folder(self) -> str:
        """Where its tmpfs is mounted."""
        return self.path.rpartition("/")[0]


def read_secrets(words: Sequence[str], caller: Mapping[str, str]) -> tuple[Confided, ...]:
    """The files of `id=NAME[,src=FILE|,env=VARIABLE]` words, as BuildKit has them; the id alone names the variable.

    Each becomes the file /run/secrets/NAME. Raises `InvalidInput` for one that cannot be read.
    """
    found: dict[str, Confided] = {}
    for word in words:
        name, content, origin = _secret(word, caller)
        if name in found:
            raise InvalidInput(f"--secret id={name} is there twice", hint=_SECRET_HINT)
        found[name] = Confided(path=f"{SECRETS_DIR}/{name}", content=content, origin=origin)
        _hide(content)
    return tuple(found.values())


def read_bindings(words: Sequence[str]) -> tuple[Confided, ...]:
    """The files of `NAME=FOLDER` words, each folder a service binding: /platform/bindings/NAME in the build.

    Raises `InvalidInput` for a folder that is none, or has no file `type`.
    """
    found: dict[str, Confided] = {}
    for word in words:
        name, folder = binding_folder(word)
        for file in _files(folder, word):
            path = f"{BINDINGS_DIR}/{name}/{file.name}"
            if path in found:
                raise InvalidInput(f"--binding {name}=… is there twice", hint=_BINDING_HINT)
            content = _content(file, f"--binding {word!r}")
            found[path] = Confided(path=path, content=content, origin=file)
            if file.name not in _TOLD:
                _hide(content)
    return tuple(found.values())


def binding_folder(word: str) -> tuple[str, Path]:
    """Name and folder of a `NAME=FOLDER` word. Raises `InvalidInput`."""
    name, equals, text = word.partition("=")
    if not equals or not _NAME.fullmatch(name) or not text:
        raise InvalidInput(f"--binding {word!r} is not NAME=FOLDER", hint=_BINDING_HINT)
    folder = typed_path(text, f"--binding {name}")
    if not folder.is_dir():
        raise InvalidInput(f"--binding {word!r}: there is no folder {folder}", hint=f"mkdir -p {folder}")
    if not (folder / "type").is_file():
        raise InvalidInput(
            f"--binding {word!r}: {folder} has no file `type`, which says what the binding is",
            hint=f"printf mysql > {folder}/type",
        )
    return name, folder.resolve()


def tmpfs_mounts(confided: Sequence[Confided], *, uid: int, gid: int) -> dict[str, str]:
    """The mounts for these files, with options, by path: theirs alone, and for nobody but the build's user."""
    sizes: dict[str, int] = {}
    for each in confided:
        sizes[each.folder] = sizes.get(each.folder, 1 << 20) + len(each.content) + (8 << 10)
    return {
        folder: f"rw,noexec,nosuid,nodev,uid={uid},gid={gid},mode=0700,size={size}"
        for folder, size in sizes.items()
    }


def confide(env: BuildEnv, confided: Sequence[Confided]) -> None:
    """Write the files into a running build environment whose folders are mounted; nothing without any."""
    if confided:
        run_lines(env, [line for each in confided for line in _writing(each)], first="umask 077")


def inside(app: Path, confided: Sequence[Confided]) -> Iterator[bytes]:
    """The paths, relative to the app's folder, of what was read in it: the app's sources would carry it into the image."""
    root = app.resolve()
    for each in confided:
        if each.origin is not None and each.origin.resolve().is_relative_to(root):
            yield bytes(each.origin.resolve().relative_to(root))


def _secret(word: str, caller: Mapping[str, str]) -> tuple[str, bytes, Path | None]:
    values: dict[str, str] = {}
    for part in word.split(","):
        key, equals, value = part.partition("=")
        key = {"source": "src"}.get(key, key)
        if not equals or not value or key not in ("id", "src", "env", "type") or key in values:
            what = f"{key[:20]}=…" if equals else "a part without ="
            raise InvalidInput(
                f"--secret: {what} is none of id=…, src=… and env=…, each once", hint=_SECRET_HINT
            )
        values[key] = value
    name = values.get("id", "")
    if not _NAME.fullmatch(name) or ("src" in values and "env" in values):
        raise InvalidInput("--secret needs id=NAME, and one of src=FILE and env=VARIABLE", hint=_SECRET_HINT)
    if "src" in values:
        path = typed_path(values["src"], f"--secret id={name}")
        return name, _content(path, f"--secret id={name}"), path
    variable = values.get("env", name)
    if variable not in caller:
        raise InvalidInput(f"--secret id={name}: the variable {variable} is not set", hint=_SECRET_HINT)
    return name, caller[variable].encode("utf-8", "surrogateescape"), None


def _files(folder: Path, word: str) -> list[Path]:
    """The files of a binding. Names that begin with two dots are Kubernetes' own, behind its links."""
    found = sorted(path for path in folder.iterdir() if not path.name.startswith("..") and path.is_file())
    if len(found) > _MOST_FILES or not all(_NAME.fullmatch(path.name.lstrip(".") or "-") for path in found):
        raise InvalidInput(
            f"--binding {word!r}: {folder} is no binding: expected small files with plain names",
            hint="https://servicebinding.io/spec/core/1.1.0/",
        )
    return found


def _content(path: Path, what: str) -> bytes:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as exc:
        raise InvalidInput(f"{what}: {path} cannot be read: {exc.strerror}", hint=f"ls -l {path}") from exc
    if size > MOST_BYTES:
        raise InvalidInput(f"{what}: {path} has {size} bytes, more than {MOST_BYTES}", hint=_SECRET_HINT)
    return content


def _hide(content: bytes) -> None:
    """The value, and the longer lines of one that has several."""
    text = content.decode("utf-8", "surrogateescape").strip()
    lines = text.splitlines()
    events.hide(text)
    for line in lines if len(lines) > 1 else ():
        if len(line.strip()) >= _SHORTEST_LINE:
            events.hide(line.strip())


def _writing(each: Confided) -> Iterator[str]:
    yield f": > '{each.path}'"
    for start in range(0, len(each.content), _CHUNK):
        octal = "".join(f"\\{byte:03o}" for byte in each.content[start : start + _CHUNK])
        yield f"printf '{octal}' >> '{each.path}'"
    yield f"chmod 400 '{each.path}'"
