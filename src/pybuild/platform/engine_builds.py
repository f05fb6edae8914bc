"""Dockerfiles carried out by the Docker Engine's own builder, version 1, which every engine since 1.12 has.

The context is streamed out of the build environment; nothing of this machine but proxies is told to the builder, and
no credential. Each step becomes an image with our label, which the engine takes again where nothing changed.

Specification: image_extension.md, "Phase: Extension"; Docker Engine API, "Build an image". docs/adr/0008.
"""

from __future__ import annotations

import glob
import json
import os
import posixpath
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild import engine, events
from pybuild.errors import (
    DiskFull,
    EngineUnavailable,
    ExtendError,
    InvalidFile,
    PybuildError,
    TimedOut,
    TooMuchOutput,
)
from pybuild.lifecycle.dockerfiles import arg_name, parse
from pybuild.lifecycle.dockerignore import NAME as DOCKERIGNORE
from pybuild.lifecycle.dockerignore import Ignore
from pybuild.lifecycle.extend import BUILD_ID, first_reference
from pybuild.oci import tar
from pybuild.platform import ownership
from pybuild.stores.daemon import CONFIG_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import docker

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.dockerfiles import Instruction
    from pybuild.lifecycle.extend import Application

DOCKERFILE = ".pybuild.Dockerfile"
SILENCE_SECONDS = 3600
"""Longest time for which one instruction may say nothing."""

_STEP_IMAGE = re.compile(r" ---> ([0-9a-f]{12,64})\s*$")
_NOISE = ("Removing intermediate container", "Successfully built", "[Warning] One or more build-args")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How containers of the builder are made. `proxies`: variables for them; `fresh`: take nothing from the cache.

    `deadline`: the time of `time.monotonic()` at which everything ends, None for no limit. `output_limit`: bytes that
    the instructions of one Dockerfile may write, 0 for no limit.
    """

    network: str = ""
    proxies: Mapping[str, str]
    fresh: bool = False
    deadline: float | None = None
    output_limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLayer:
    """A layer that an instruction added: by which extension, and the instruction's text."""

    diff_id: str
    extension_id: str
    what: str


class EngineApplier:
    """An image of an engine on which Dockerfiles are applied; see `lifecycle.extend.Applier`.

    `image`: the ID of what there is now. `layers`: those added so far. `made`: images that were not there before.
    """

    def __init__(self, client: docker.APIClient, env: BuildEnv, image: str, options: EngineOptions) -> None:
        self.image = image
        self.layers: list[MadeLayer] = []
        self.made: list[str] = []
        self._client: Any = client  # the SDK's annotations are partial
        self._env = env
        self._options = options

    def config(self) -> Mapping[str, Any]:
        """The object `config` of the image, without our label and what only engines put there."""
        found = self._inspect(self.image).get("Config") or {}
        labels = dict(found.get("Labels") or {})
        labels.pop(ownership.KIND, None)
        return {**{key: found[key] for key in CONFIG_KEYS if found.get(key)}, "Labels": labels}

    def apply(self, application: Application, args: Mapping[str, str]) -> None:
        """Carry the Dockerfile out on top of `image`, which is then the outcome. Raises `ExtendError`."""
        text = for_engine(application.content, self.image, where=application.where)
        body = application.instructions()
        declared = {
            word.partition("=")[0] for each in body if each.keyword == "ARG" for word in each.rest.split()
        }
        given = {name: value for name, value in args.items() if name in declared}
        before = self.image
        ignore = read_ignore(self._env, application)
        with self._env.pack(application.context) as packed:
            chunks = context(packed, text, ignore)
            self.image = self._build(application, chunks, {**self._options.proxies, **given})
        self.layers += self._added(before, application.extension_id, body)

    def discard(self, *, seconds: float) -> None:
        """Remove the images that were made, as far as nothing else needs them.

        `seconds`: how long to wait for the engine to end a container that stands on one, of an instruction cut short.
        """
        until = time.monotonic() + seconds
        for image in reversed(self.made):
            with suppress(PybuildError):
                while not self._removed(image) and time.monotonic() < until:
                    time.sleep(0.1)
        self.made.clear()

    def _removed(self, image: str) -> bool:
        try:
            with engine.translating("removing an image"):
                self._client.remove_image(image, noprune=True)
        except engine.Conflict:
            return False
        return True

    def _build(self, application: Application, chunks: Iterator[bytes], args: Mapping[str, str]) -> str:
        parameters = {
            "version": "1",
            "dockerfile": DOCKERFILE,
            "rm": "true",
            "forcerm": "true",
            "nocache": "true" if self._options.fresh else "false",
            "networkmode": self._options.network,
            "buildargs": json.dumps(args),
        }
        doing = f"carrying out {application.where}"
        try:
            with engine.translating(doing):
                answer = self._client.post(
                    f"{self._client.base_url}/v{self._client.api_version}/build",
                    data=chunks,
                    params=parameters,
                    headers={"Content-Type": "application/x-tar"},
                    stream=True,
                    timeout=self._seconds(),
                )
                try:
                    answer.raise_for_status()
                    return self._follow(application, _messages(answer.iter_lines(chunk_size=1024)))
                finally:
                    # Whoever goes away early ends the builder's container, too.
                    answer.close()
        except (ExtendError, EngineUnavailable, DiskFull, TimedOut):
            self._check_deadline()
            raise
        except PybuildError as exc:
            said = str(exc).partition(f"{doing}: ")[2] or str(exc)
            raise ExtendError(f"{application.where} cannot be carried out: {said}") from exc

    def _follow(self, application: Application, messages: Iterable[Mapping[str, Any]]) -> str:
        """Show what is said; return the new image's ID."""
        built, step, cached, written = "", "", False, 0
        for message in messages:
            self._check_deadline()
            if said := message.get("error"):
                raise _refused(application, step, str(said))
            if isinstance(aux := message.get("aux"), dict) and isinstance(aux.get("ID"), str):
                built = aux["ID"]
            # The builder paints what comes from standard error red.
            text = str(message.get("stream", "")).replace("\x1b[91m", "").replace("\x1b[0m", "")
            if text.startswith("Step "):
                step, cached = text.partition(" : ")[2].strip(), False
                if ownership.KIND not in step:
                    events.info(text.strip())
            elif found := _STEP_IMAGE.match(text):
                if not cached and not step.startswith("FROM "):
                    self.made.append(found[1])
            elif text.startswith(" ---> ") or text.startswith(_NOISE):
                cached = cached or "Using cache" in text
            elif text.strip():
                written += len(text)
                if 0 < self._options.output_limit < written:
                    raise ExtendError(
                        f"{application.where} was stopped: it has written more than {self._options.output_limit} bytes "
                        f"to its output",
                        hint=TooMuchOutput.usual_hint,
                    )
                events.emit(events.Output(source=application.extension_id, data=text.encode()))
        if not built:
            raise ExtendError(f"the Docker Engine made no image of {application.where}")
        return built

    def _added(self, before: str, extension_id: str, body: Sequence[Instruction]) -> list[MadeLayer]:
        """Which instruction added which layer: the engine makes one image for each of them."""
        chain: list[tuple[str, ...]] = []
        image = self.image
        while image and image != before:
            found = self._inspect(image)
            chain.insert(0, tuple((found.get("RootFS") or {}).get("Layers") or ()))
            image = str(found.get("Parent") or "")
        known = len((self._inspect(before).get("RootFS") or {}).get("Layers") or ())
        # Ours comes first; triggers of the base image would come before it.
        texts = [""] * (len(chain) - len(body)) + [str(each) for each in body]
        if image != before:
            # Another builder, with other ideas: what there is at the end is all that can be told.
            chain = [tuple((self._inspect(self.image).get("RootFS") or {}).get("Layers") or ())]
            texts = [""]
        added = []
        for layers, text in zip(chain, texts, strict=False):
            added += [
                MadeLayer(diff_id=diff_id, extension_id=extension_id, what=" ".join(text.split()))
                for diff_id in layers[known:]
            ]
            known = max(known, len(layers))
        return added

    def _inspect(self, image: str) -> Mapping[str, Any]:
        with engine.translating(f"looking at the image {image[:19]}"):
            found: Mapping[str, Any] = self._client.inspect_image(image)
        return found

    def _seconds(self) -> float:
        deadline = self._options.deadline
        return SILENCE_SECONDS if deadline is None else max(1.0, deadline - time.monotonic())

    def _check_deadline(self) -> None:
        deadline = self._options.deadline
        if deadline is not None and time.monotonic() >= deadline:
            raise TimedOut("the build took longer than its --timeout while an image was being extended")


def for_engine(content: bytes, base: str, *, where: str) -> bytes:
    """The Dockerfile as the engine gets it: FROM the very image, our label first, `build_id` where it is needed.

    The engine counts an ARG as used by every RUN after it. For us only those count that refer to it, so it is
    declared right before the first of them (image_extension.md, "Dockerfile Requirements").
    """
    lines = content.removeprefix(b"\xef\xbb\xbf").splitlines()
    instructions = parse(content, file=where)
    start = next(place for place, found in enumerate(instructions) if found.keyword == "FROM")
    body = instructions[start + 1 :]
    reference = first_reference(body)
    moved = [each for each in body if arg_name(each) == BUILD_ID] if reference else []
    if reference and not any(each.line < reference.line for each in moved):
        # Declared after it is referred to, or never: as it stands, it means nothing there.
        moved = []
    begin = lines[: instructions[0].line - 1]
    head = [lines[each.line - 1 : each.end] for each in instructions[:start]]
    made = [*begin, *(line for part in head for line in part)]
    made += [f"FROM {base}".encode(), f"LABEL {ownership.KIND}=extended".encode()]
    at = instructions[start].end
    for each in body:
        if moved and each == reference:
            made.append(f"ARG {moved[0].rest}".encode())
        if each not in moved:
            made += lines[at : each.end]
        at = each.end
    return b"\n".join([*made, b""])


def read_ignore(env: BuildEnv, application: Application) -> tuple[bytes, Ignore]:
    """The context's own .dockerignore and what it says; b"" for none."""
    path = f"{application.context}/{DOCKERIGNORE}"
    content = env.read_files([glob.escape(path)]).get(path, b"")
    if not isinstance(content, bytes):
        raise ExtendError(f"{path} cannot be read: {content.why}")
    try:
        return content, Ignore.read(content, where=path)
    except InvalidFile as exc:
        raise ExtendError(str(exc), hint=exc.hint) from exc


def context(
    packed: Iterable[bytes], dockerfile: bytes, ignore: tuple[bytes, Ignore] = (b"", Ignore())
) -> Iterator[bytes]:
    """The tar that the engine gets: the folder's files from its own root on, as far as .dockerignore lets them, and
    the Dockerfile, which is no part of the context for COPY and ADD.
    """
    return tar.gather(_context(packed, dockerfile, *ignore))


def _context(packed: Iterable[bytes], dockerfile: bytes, own: bytes, ignore: Ignore) -> Iterator[bytes]:
    yield from _file(DOCKERFILE, dockerfile)
    for member, body in tar.read(packed):
        name = _below(member.name)
        if not name or name in (DOCKERFILE.encode(), DOCKERIGNORE.encode()):
            continue
        if ignore and ignore.leaves_out(os.fsdecode(name)):
            continue
        entry = tar.TarEntry(
            name=name + (b"/" if member.kind == tar.DIRECTORY else b""),
            kind=member.kind,
            mode=member.mode,
            uid=member.uid,
            gid=member.gid,
            size=member.size,
            linkname=_below(member.linkname) if member.kind == tar.HARD_LINK else member.linkname,
        )
        yield tar.header(entry)
        yield from body
        yield tar.padding(member.size)
    # Of all that it names, the engine removes these two after it has read the Dockerfile, and nothing else.
    mine = f"{DOCKERFILE}\n" if own else f"{DOCKERFILE}\n{DOCKERIGNORE}\n"
    yield from _file(DOCKERIGNORE, (own.rstrip() + b"\n" if own else b"") + mine.encode())
    yield tar.TRAILER


def _below(name: bytes) -> bytes:
    """The name from the context's own root on."""
    return posixpath.normpath(name.lstrip(b"/")).partition(b"/")[2]


def _file(name: str, content: bytes) -> Iterator[bytes]:
    yield tar.header(tar.TarEntry(name.encode(), tar.FILE, 0o644, 0, 0, len(content)))
    yield content
    yield tar.padding(len(content))


def _messages(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        if line.strip():
            message = json.loads(line)
            if isinstance(message, dict):
                yield message


def _refused(application: Application, step: str, said: str) -> PybuildError:
    said = " ".join(said.split())[:1000]
    if "no space left on device" in said:
        return DiskFull(
            f"the Docker Engine has no space left on its disk for {application.where}",
            hint="docker system prune",
        )
    at = f" at {step[:200]!r}" if step else ""
    return ExtendError(f"{application.where} failed{at}: {said}", hint="what it wrote above tells more")
