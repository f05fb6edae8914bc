"""The build environment that is one container on a Docker Engine, driven from outside.

Nothing of ours is in it but a shell's loop; no socket, no credential, no capability. It cannot outlive us:
docs/adr/0002-host-driven-lifecycle.md. Specification: platform.md, "Build Environment".
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from pybuild import engine, events
from pybuild.buildenv import archives, pipe, scripts, wire
from pybuild.buildenv.container_spec import HURRY_SECONDS, SWEPT, make_container
from pybuild.buildenv.output_limit import Written
from pybuild.buildenv.pipe import Pipe
from pybuild.buildenv.session import Session, SessionEnded
from pybuild.errors import (
    BuildError,
    BuilderUnusable,
    EngineUnavailable,
    PybuildError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    import docker

    from pybuild.buildenv.api import Command, Completed, Listing, Refused
    from pybuild.buildenv.container_spec import ContainerSpec

SCRIPT_LIMIT = 64 << 20
LISTING_LIMIT = 512 << 20
REMOVE_SECONDS = 30.0
_PROBE_LIMIT = 1000


class ContainerBuildEnv:
    """One container, from creation to removal; a context manager that always removes it.

    `create` makes it, and `unpack` and `pack` work from then on. Every other verb starts it first if
    `start` or `start_soon` has not.
    """

    def __init__(
        self, client: docker.APIClient, spec: ContainerSpec, container: str, direct: Pipe | None = None
    ) -> None:
        self.uid = spec.uid
        self.gid = spec.gid
        self.container = container
        self.mounted = direct is not None and bool(spec.mounts)
        """Whether the `mounts` that were asked for are there."""
        self._client = client
        self._session: Session | None = None
        self._direct = direct
        self._starting = threading.Lock()
        self._failure: PybuildError | None = None
        self._deadline: float | None = None
        self._left = False
        self._written = Written("the build", "--log-limit")
        self.output_limit = 0
        """Bytes that all programs together may write to their outputs; 0 for no limit."""

    @classmethod
    def create(cls, client: docker.APIClient, spec: ContainerSpec) -> Self:
        """Make the container. Raises `engine.Conflict` when its name is taken, `engine.NotFound` without image."""
        direct = _pipe(client)
        try:
            container = make_container(client, spec, direct)
        except BaseException as exc:
            if direct is None:
                raise
            direct.close()
            sources = (direct.path, *spec.mounts.values())
            if not isinstance(exc, PybuildError) or not any(str(path) in str(exc) for path in sources):
                raise
            # The engine sees other files than we do: it is on another machine, or we are in a container.
            direct, container = None, make_container(client, spec, None)
        return cls(client, spec, container, direct)

    def start(self) -> None:
        """Start the container; 0.3 s. Does nothing the second time, or raises what went wrong the first."""
        with self._starting:
            if self._failure is not None:
                raise self._failure
            if self._session is not None:
                return
            try:
                self._session = Session(wire.attach(self._client, self.container))
                self._session.deadline = self._deadline
                with engine.translating("starting the build container"):
                    self._client.start(self.container)
            except PybuildError as exc:
                self._failure = _why_not_started(exc)
                raise self._failure from exc

    def start_soon(self) -> None:
        """Start in another thread; the verbs that need it wait for it, and raise what went wrong."""
        threading.Thread(target=self._start_quietly, name="start-container", daemon=True).start()

    def _start_quietly(self) -> None:
        with suppress(PybuildError):
            self.start()

    def leave(self, name: str) -> None:
        """Let the container, which has been started, outlive this object as `name`; `close` then only hangs up."""
        assert self._session is not None
        with engine.translating("keeping the build container"):
            self._session.stay()
            self._client.rename(self.container, name)
        self._left = True

    def close(self, *, seconds: float = REMOVE_SECONDS) -> None:
        """Remove the container and all that runs in it; it may be gone already. May be called again."""
        if self._left and self._session is not None:
            self._session.close()
            if self._direct is not None:
                self._direct.leave()
            return
        # A start under way in the other thread comes to its end, or finds that it is too late.
        waited = self._starting.acquire(timeout=seconds / 3)
        self._failure = PybuildError("the build container is closed")
        try:
            wire.remove(self._client, self.container, seconds=seconds)
        except engine.NotFound:
            pass
        except engine.Conflict:
            self._await_removal(seconds)
        finally:
            # Whatever became of the request: at the end of its input the container ends, and removes itself.
            if self._session is not None:
                self._session.close()
            if self._direct is not None:
                self._direct.close()
            if waited:
                self._starting.release()

    def _await_removal(self, seconds: float) -> None:
        """The engine is removing it already, because it ended by itself; its name is free only afterwards."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                with engine.translating("removing the build container"):
                    self._client.inspect_container(self.container)
            except engine.NotFound:
                return
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        in_hurry = isinstance(exc, EngineUnavailable)
        in_hurry = in_hurry or (exc is not None and not isinstance(exc, Exception))
        try:
            self.close(seconds=HURRY_SECONDS if in_hurry else REMOVE_SECONDS)
        except PybuildError as failure:
            # The build's own error, or its success, is the news; a later build sweeps what is left.
            events.warn(f"the build container {self.container[:12]} may be left: {failure}", hint=SWEPT)

    @property
    def deadline(self) -> float | None:
        """The time of `time.monotonic()` after which every verb raises `TimedOut`."""
        return self._deadline

    @deadline.setter
    def deadline(self, when: float | None) -> None:
        self._deadline = when
        if self._session is not None:
            self._session.deadline = when

    def run(self, command: Command, output: Callable[[bytes], None]) -> int:
        """Run one program to its end; see `BuildEnv.run`. 126 and 127: it could not be started."""
        program = command.argv[0]
        counted = self._written.counting(program, output, most=self.output_limit)
        return self._carry_out(scripts.run(command), counted, doing=program)

    def run_all(self, commands: Sequence[Command]) -> list[Completed]:
        """Run several programs at the same time; see `BuildEnv.run_all`. 126 and 127: it could not be started."""
        if not commands:
            return []
        mark = secrets.token_hex(16)
        folder = f"/tmp/pybuild-{secrets.token_hex(8)}"
        text = scripts.run_all(commands, folder, mark, most=self.output_limit)
        limit = len(commands) * (scripts.OUTPUT_LIMIT + scripts.RESULT_LIMIT + 200)
        data = self._ask(text, doing=commands[0].argv[0], limit=limit)
        return scripts.read_completed(data, len(commands), mark)

    def script(self, text: str) -> bytes:
        """Run a POSIX sh script of ours; see `BuildEnv.script`."""
        return self._ask(f"(cd / || exit\n{text}\n)", doing="a script of ours", limit=SCRIPT_LIMIT)

    def read_files(self, patterns: Sequence[str], *, limit: int = 1 << 20) -> dict[str, bytes | Refused]:
        """Contents of every path that one of the patterns names; see `BuildEnv.read_files`. One message or two."""
        if not patterns:
            return {}
        doing = "reading files"
        listed = self._ask(scripts.list_files(patterns), doing=doing, limit=SCRIPT_LIMIT)
        refused, wanted, contents = scripts.read_list(listed, limit)
        if len(contents) == len(wanted):
            return {**refused, **contents}
        total = sum(wanted.values())
        if total > SCRIPT_LIMIT:
            raise BuildError(
                f"{patterns[0]} and others name {total} bytes in {len(wanted)} files, far too much"
            )
        data = self._ask(scripts.cat(wanted), doing=doing, limit=total + 1)
        return {**refused, **scripts.cut(data, wanted)}

    def scan(self, roots: Sequence[str]) -> list[Listing]:
        """One listing for each root; see `BuildEnv.scan`. Without GNU find, or rights to look: by the engine."""
        if not roots:
            return []
        collected = _Collected(LISTING_LIMIT, "listing files")
        if self._carry_out(scripts.scan(roots), collected.add, doing="listing files") == 0:
            return scripts.read_listings(collected.data(), roots)
        return self._listed_by_engine(roots, collected.data())

    def _listed_by_engine(self, roots: Sequence[str], said: bytes) -> list[Listing]:
        """From `pack`, with the ctimes that find could tell all the same: who closes a folder to us changes its own."""
        listings = [archives.listing(root, self.pack) for root in roots]
        try:
            seen = scripts.read_listings(said, roots)
        except BuildError:
            return listings
        return [archives.with_ctimes(all_, some) for all_, some in zip(listings, seen, strict=True)]

    def pack(self, path: str) -> AbstractContextManager[Iterator[bytes]]:
        """A tar of the tree at `path`; see `BuildEnv.pack`. Sockets are left out.

        By the container's own tar, where it has GNU's and may read everything: three times as fast as the engine,
        and twice that where a pipe leads from it to us.
        """
        if self._session is not None:
            able, direct = self._has_tar(scripts.can_pack(path))
            if able:
                return self._own_tar(path, direct)
        return wire.download(self._client, self.container, path)

    @contextmanager
    def _own_tar(self, path: str, direct: Pipe | None) -> Iterator[Iterator[bytes]]:
        assert self._session is not None
        doing = f"reading {path}"
        script = scripts.pack(path, to=pipe.INSIDE if direct else "-")
        stream = self._session.stream(scripts.encode(script), doing=doing, pipe=direct)
        status = 0

        def chunks() -> Iterator[bytes]:
            nonlocal status
            try:
                status = yield from stream
            except SessionEnded as exc:
                raise self._why_ended(doing) from exc

        pieces = chunks()
        yield pieces
        # What follows the archive's end is padding; only the status tells that tar read everything well.
        for _ in pieces:
            pass
        if status != 0:
            raise PybuildError(
                f"{doing} in the build container ended with {status}: {self._session.complaints()}"
            )

    def file_reader(self) -> None:
        """See `BuildEnv.file_reader`: here every file would be a round trip."""
        return

    def unpack(self, path: str, tar: Iterable[bytes]) -> None:
        """Unpack a tar of ours below `path`, which must exist; see `BuildEnv.unpack`."""
        sent = archives.Sent(tar)
        try:
            with engine.translating(f"writing to {path}"):
                self._client.put_archive(self.container, path, iter(sent))
        except PybuildError:
            if sent.failure is None:
                raise
        if sent.failure is not None:
            raise sent.failure

    def unpack_own(self, path: str, tar: Iterable[bytes], *, owned: str) -> bool:
        """Unpack a tar of the build user's own files; see `BuildEnv.unpack_own`. By the container's tar, through the pipe."""
        _, direct = self._has_tar(scripts.can_unpack(owned))
        if direct is None:
            return False
        filling = direct.fill(tar)
        try:
            script = scripts.unpack(path, source=pipe.INSIDE)
            status = self._carry_out(script, lambda _: filling.is_read(), doing=f"writing to {path}")
        finally:
            filling.end()
        if filling.failure is not None:
            raise filling.failure
        if status != 0:
            assert self._session is not None
            events.detail(f"the engine unpacks what the container could not: {self._session.complaints()}")
        return status == 0

    def _has_tar(self, condition: str) -> tuple[bool, Pipe | None]:
        """Whether this condition of the container's tar holds; if so, the pipe, emptied, where it leads from there to us."""
        said = _Collected(_PROBE_LIMIT, doing := "looking for tar")
        if self._carry_out(f"{condition} && {{ {pipe.probe()}\n}}", said.add, doing=doing) != 0:
            return False, None
        if self._direct is None or not pipe.is_this_machine(said.data()):
            return True, None
        # With the end of a message all that might write there is dead.
        self._direct.clear()
        return True, self._direct

    def _ask(self, text: str, *, doing: str, limit: int) -> bytes:
        """What a script of ours writes: `limit` bytes at most. `BuildError` when its status is not 0."""
        collected = _Collected(limit, doing)
        status = self._carry_out(text, collected.add, doing=doing)
        if status != 0:
            said = self._session.complaints() if self._session is not None else ""
            raise BuildError(f"{doing} in the build container ended with {status}: {said}")
        return collected.data()

    def _carry_out(self, text: str, output: Callable[[bytes], None], *, doing: str) -> int:
        self.start()
        assert self._session is not None
        try:
            return self._session.carry_out(scripts.encode(text), output, doing=doing)
        except SessionEnded as exc:
            raise self._why_ended(doing) from exc

    def _why_ended(self, doing: str) -> PybuildError:
        """The stream is at its end: is the engine gone, or only the container?"""
        state: dict[str, Any] = {}
        try:
            with engine.translating(doing):
                state = self._client.inspect_container(self.container)["State"]
        except engine.NotFound:
            pass
        except PybuildError as exc:
            return exc
        if state.get("Running"):
            return EngineUnavailable(
                f"lost connection to the Docker Engine during {doing}", hint="build again"
            )
        if state.get("OOMKilled"):
            return BuildError(
                f"the build container ran out of memory during {doing}", hint="give it more memory"
            )
        return BuildError(f"the build container was stopped from outside during {doing}", hint="build again")


class _Collected:
    """Output kept up to a limit, beyond which something is wrong."""

    def __init__(self, limit: int, doing: str) -> None:
        self._limit = limit
        self._doing = doing
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > self._limit:
            raise BuildError(f"{self._doing} in the build container gave more than {self._limit} bytes")

    def data(self) -> bytes:
        """All of it, which is given away."""
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)


def _pipe(client: docker.APIClient) -> Pipe | None:
    """A pipe for a container, if the engine may be on this machine."""
    if not str(client.base_url).startswith("http+docker://"):
        return None
    try:
        pipe.sweep()
        return Pipe()
    except OSError as exc:
        events.detail(f"layers come by way of the engine: {exc}")
        return None


def _why_not_started(exc: PybuildError) -> PybuildError:
    if isinstance(exc, EngineUnavailable) or "/bin/sh" not in str(exc):
        return exc
    return BuilderUnusable(
        f"the builder image has no /bin/sh to run buildpacks with: {exc}", hint="take another with --builder"
    )
