"""pybuild as a library: what the commands do, as functions that take and return values and raise `PybuildError`.

`import pybuild` gives all of it, and imports none of it until it is used. docs/reference/python-api.md has examples.
"""

from __future__ import annotations

import os
import queue
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from pybuild import events
from pybuild.platform import config
from pybuild.platform.request import build_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pybuild.events import Event
    from pybuild.platform.build import BuildResult
    from pybuild.platform.images.compare import Comparison
    from pybuild.platform.images.inspect import Inspected
    from pybuild.platform.images.rebase import RebaseResult
    from pybuild.platform.plan import BuildPlan
    from pybuild.platform.request import BuildRequest

    Listener = Callable[[Event], None]

# Events have no address: whoever listens hears everything that happens in this process.
_ALONE = threading.Lock()


class BuildOptions(TypedDict, total=False):
    """What may be said of a build beside its name; each is the option of `pybuild build` of that name.

    Where the command has a word for a pair, such as `NAME=VALUE`, here it is a mapping.
    """

    path: str | Path
    tags: Sequence[str]
    builder: str
    run_image: str
    buildpacks: Sequence[str]
    env: Mapping[str, str]
    env_files: Sequence[str | Path]
    volumes: Sequence[str]
    network: str
    descriptor: str | Path
    workspace: str
    pull_policy: str
    platform: str
    exec_env: str
    default_process: str
    creation_time: str | int
    publish: bool
    outputs: Sequence[str]
    insecure_registries: Sequence[str]
    caches: Sequence[str]
    cache_image: str
    clear_cache: bool
    locked: bool
    timeout: float
    memory: str
    cpus: float
    pids_limit: int
    log_limit: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    secrets: Sequence[str]
    bindings: Mapping[str, str | Path]
    use_gitignore: bool
    use_dockerignore: bool


def build(
    image: str,
    *,
    on_event: Listener | None = None,
    environ: Mapping[str, str] | None = None,
    **options: Unpack[BuildOptions],
) -> BuildResult:
    """Turn source into the image. `on_event` is called with every event, in whichever thread it happens.

    `environ`: the variables that count as this process's: the engine's place, credentials, proxies, settings.
    """
    from pybuild.platform import build as building

    request = _request(image, environ, options)
    with _heard(on_event):
        return building.build(request)


def plan(
    image: str,
    *,
    on_event: Listener | None = None,
    environ: Mapping[str, str] | None = None,
    **options: Unpack[BuildOptions],
) -> BuildPlan:
    """What `build` would do: its group, who needs what of whom, which layers would be used again. Nothing is built."""
    from pybuild.platform import plan as planning

    request = _request(image, environ, options)
    with _heard(on_event):
        return planning.plan(request)


def rebase(
    image: str,
    *,
    run_image: str = "",
    publish: bool = False,
    force: bool = False,
    dry_run: bool = False,
    pull_policy: str = "always",
    insecure_registries: Sequence[str] = (),
    on_event: Listener | None = None,
    environ: Mapping[str, str] | None = None,
) -> RebaseResult:
    """Put the image onto the newest run image, without a build."""
    from pybuild.platform.images.rebase import rebase_images, rebase_request

    caller = os.environ if environ is None else environ
    request = rebase_request(
        [image],
        caller=caller,
        run_image=run_image or None,
        publish=publish,
        force=force,
        dry_run=dry_run,
        pull_policy=pull_policy,
        insecure_registries=insecure_registries,
        config=config.load(caller),
    )
    with _heard(on_event):
        (result,) = rebase_images(request)
    return result


def inspect(
    image: str, *, insecure_registries: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Inspected:
    """What an app image is made of and how it starts, in the engine (`local`) and in its registry (`remote`)."""
    from pybuild.platform.images.inspect import inspect_image

    caller = os.environ if environ is None else environ
    with _heard(None):
        return inspect_image(image, config=config.load(caller), environ=caller, insecure=insecure_registries)


def compare(
    a: str,
    b: str,
    *,
    all_layers: bool = False,
    insecure_registries: Sequence[str] = (),
    on_event: Listener | None = None,
    environ: Mapping[str, str] | None = None,
) -> Comparison:
    """What differs between two images. Each is NAME in the engine, `registry:NAME`, `oci:FOLDER[:TAG]` and so on."""
    from pybuild.platform.images import compare_stored

    caller = os.environ if environ is None else environ
    with _heard(on_event):
        return compare_stored.compare(
            a, b, environ=caller, all_layers=all_layers, insecure=insecure_registries
        )


class Building:
    """A build under way in another thread: iterate it for its events, then ask for its `result`.

    A context manager, which waits for the end of the build.
    """

    def __init__(
        self, image: str, *, environ: Mapping[str, str] | None = None, **options: Unpack[BuildOptions]
    ) -> None:
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._result: BuildResult | None = None
        self._failure: BaseException | None = None
        self._request = _request(image, environ, options)
        self._thread = threading.Thread(target=self._build, name=f"build {image}", daemon=True)
        self._thread.start()

    def _build(self) -> None:
        from pybuild.platform import build as building

        try:
            with _heard(self._events.put):
                self._result = building.build(self._request)
        except BaseException as exc:  # noqa: BLE001 - it is raised where the result is asked for
            self._failure = exc
        finally:
            self._events.put(None)

    def __iter__(self) -> Iterator[Event]:
        """Every event, until the build has ended."""
        while (event := self._events.get()) is not None:
            yield event
        self._events.put(None)  # for who iterates again

    @property
    def result(self) -> BuildResult:
        """What the build came to, once it has ended. Raises what went wrong."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        assert self._result is not None
        return self._result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()


@contextmanager
def _heard(listener: Listener | None) -> Iterator[None]:
    """One call at a time in this process; the listener hears what happens in this one."""
    with _ALONE:
        if listener is None:
            yield
            return
        with events.listening(listener):
            yield


def _request(image: str, environ: Mapping[str, str] | None, options: BuildOptions) -> BuildRequest:
    """The words that the command would have got, as a request. Raises `InvalidInput`."""
    caller = os.environ if environ is None else environ
    words: dict[str, Any] = {"path": Path(), **options}
    for name in ("path", "descriptor"):
        if name in words:
            words[name] = Path(words[name])
    for name in ("env", "labels", "annotations", "bindings"):
        if name in words:
            words[name] = [f"{key}={value}" for key, value in words[name].items()]
    if "env_files" in words:
        words["env_files"] = list(map(Path, words["env_files"]))
    if "creation_time" in words:
        words["creation_time"] = str(words["creation_time"])
    return build_request(image, caller=caller, config=config.load(caller), **words)
