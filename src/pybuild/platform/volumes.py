"""The volumes that keep an app's layers between builds: their names, their one lock, and what clears them away."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pybuild import engine, events
from pybuild.buildenv import pipe
from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.errors import InvalidInput, PybuildError
from pybuild.platform import extended_images, ownership

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import docker

    from pybuild.buildenv.container_spec import ContainerSpec

PREFIX = "pybuild-cache-"
KEPT_PREFIX = "pybuild-failed-"
_SWEPT = ("build", "run", "kept")
_LOCKING: tuple[ownership.Kind, ...] = ("build", "kept")
PATIENCE_SECONDS = 900.0
"""How long a build waits for another one of the same app."""
STUCK_SECONDS = 60.0
"""How long it waits for the engine to be done with the container of a dead one."""
LOOK_AGAIN_SECONDS = 0.25
DISK_USE_SECONDS = 120.0
"""How long we wait for the engine to measure its disk for somebody else."""
ABANDONED_SECONDS = 3600.0
"""After this long, a container that was never started belongs to nobody, whichever host made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheVolume:
    """One cache as `pybuild cache ls` shows it. `size`: bytes, -1 unknown. `used`: seconds since 1970, 0 unknown."""

    name: str
    image: str
    builder: str
    size: int
    used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBuild:
    """A build that has its cache for itself. `private`: the cache is an empty one that ends with this build."""

    env: ContainerBuildEnv
    volume: str
    private: bool


def volume_name(image: str, key: str) -> str:
    """The cache volume of the app with this image reference; `key` tells builders and workspaces apart."""
    readable = re.sub(r"[^a-z0-9]+", "-", image.rpartition("/")[2].partition("@")[0].lower()).strip("-")[:30]
    digest = hashlib.sha256(f"{image}\0{key}".encode()).hexdigest()[:12]
    return f"{PREFIX}{readable or 'app'}-{digest}"


@contextmanager
def open_build(
    client: docker.APIClient,
    spec: ContainerSpec,
    *,
    volume: str,
    mount: str,
    image: str,
    builder: str,
    kind: ownership.Kind = "build",
    patience: float = PATIENCE_SECONDS,
) -> Iterator[OpenBuild]:
    """The build container of `spec` with the cache `volume` at `mount`, alone; removed when the block ends.

    The container's name is the lock: the engine gives it to one container at a time, and takes it back when
    that is gone. When another build keeps it for longer than `patience` seconds, this one goes on with an
    empty volume of its own, so that it can be late but not fail. `kind`: "kept" for one that may be kept if it fails.
    """
    ensure(client, volume, ownership.labels("cache", image=image, builder=builder), kind="cache")
    labels = {**spec.labels, **ownership.labels(kind, image=image, builder=builder)}
    name = f"pybuild-{volume.removeprefix(PREFIX)}"
    locked = replace(spec, name=name, labels=labels, binds=(f"{volume}:{mount}", *spec.binds))
    # Whoever builds again is done with the last failure, which was kept and shares this volume.
    remove_kept(client, kept_name(volume))
    env = _create_when_free(client, locked, patience)
    if env is not None:
        with env:
            yield OpenBuild(env=env, volume=volume, private=False)
        return
    events.warn(f"this build of {image} goes on without its cache")
    with _private_volume(client, image, builder) as fresh:
        alone = replace(locked, name="", binds=(f"{fresh}:{mount}", *spec.binds))
        with ContainerBuildEnv.create(client, alone) as env:
            yield OpenBuild(env=env, volume=fresh, private=True)


def kept_name(volume: str) -> str:
    """The container of a build that failed with this volume and was kept."""
    return f"{KEPT_PREFIX}{volume.removeprefix(PREFIX)}"


def is_kept(container: Mapping[str, Any]) -> bool:
    """Whether a container, as the engine lists it, was kept for somebody to look into."""
    return any(name.startswith(f"/{KEPT_PREFIX}") for name in container.get("Names") or ())


def remove_kept(client: docker.APIClient, container: str) -> None:
    """Remove a failed build that was kept, by its name or ID, and the pipe that it was left; it may be gone already."""
    found = _inspect(client, container)
    if found is None:
        return
    _remove_container(client, found["Id"])
    pipe.forget(mount.get("Source", "") for mount in found.get("Mounts") or ())


def ensure(client: docker.APIClient, name: str, labels: dict[str, str], *, kind: ownership.Kind) -> None:
    """Make the volume unless it is there. `InvalidInput` when one of that name is not ours."""
    with engine.translating("creating a cache volume"):
        # The engine answers with the volume of that name, old or new; it never changes an old one's labels.
        made = client.create_volume(name, labels=labels)
        if not ownership.is_ours(made.get("Labels"), kind):
            # Since its last start it may not have looked: then it answers without the labels that it knows of.
            made = client.inspect_volume(name)
    if not ownership.is_ours(made.get("Labels"), kind):
        raise InvalidInput(
            f"the volume {name} was not made by pybuild, so it will not be used as a cache",
            hint=f"docker volume rm {name}, if nothing needs it",
        )


def mark_used(state: Path, volume: str) -> None:
    """Remember that a build uses this cache now, in the folder `state`; the engine keeps no such time."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        (state / volume).touch()
    except OSError as exc:
        # Only `cache ls` and `cache prune` would have asked.
        events.detail(f"cannot remember the use of {volume}: {exc.strerror}")


def caches(client: docker.APIClient, state: Path) -> list[CacheVolume]:
    """Every cache volume on the engine, by name. `state`: where `mark_used` wrote."""
    found = _disk_use(client).get("Volumes") or []
    ours = [volume for volume in found if ownership.is_ours(volume.get("Labels"), "cache")]
    return sorted((_cache(volume, state) for volume in ours), key=lambda cache: cache.name)


def _disk_use(client: docker.APIClient) -> Mapping[str, Any]:
    """What the engine says of its disk. It measures for one at a time and refuses others, who wait here for their turn."""
    until = time.monotonic() + DISK_USE_SECONDS
    while True:
        try:
            with engine.translating("listing cache volumes"):
                found: Mapping[str, Any] = client.df()
                return found
        except PybuildError as exc:
            if "disk usage operation is already running" not in str(exc) or time.monotonic() > until:
                raise
        time.sleep(LOOK_AGAIN_SECONDS)


def remove(client: docker.APIClient, names: Iterable[str], state: Path) -> list[str]:
    """Remove these caches; return the names of those removed. One in use is warned of and kept."""
    removed = []
    for name in names:
        with engine.translating(f"looking at the volume {name}"):
            labels = client.inspect_volume(name).get("Labels")
        if not ownership.is_ours(labels, "cache"):
            raise InvalidInput(f"the volume {name} is not a cache of pybuild", hint="pybuild cache ls")
        try:
            with engine.translating(f"removing the volume {name}"):
                client.remove_volume(name)
        except engine.Conflict:
            events.warn(f"{name} is in use by a build and was kept")
            continue
        (state / name).unlink(missing_ok=True)
        extended_images.forget(client, name)
        removed.append(name)
    return removed


def prune(client: docker.APIClient, state: Path, *, unused_seconds: float, now: float) -> list[CacheVolume]:
    """Remove the caches that no build has used for that long, and what dead builds left; return the caches.

    Failed builds that were kept for that long go, too.
    """
    sweep(client)
    _remove_kept(client, unused_seconds)
    old = [cache for cache in caches(client, state) if now - cache.used >= unused_seconds]
    removed = set(remove(client, [cache.name for cache in old], state))
    return [cache for cache in old if cache.name in removed]


def sweep(client: docker.APIClient) -> None:
    """Remove containers and private volumes whose build is dead, as kill -9 leaves them. Never fails a build."""
    try:
        with engine.translating("looking for what dead builds left"):
            found = client.containers(all=True, filters={"label": ownership.KIND})
            volumes = client.volumes(filters={"label": f"{ownership.KIND}=private", "dangling": True})
        for container in found:
            labels = container.get("Labels") or {}
            if labels.get(ownership.KIND) not in _SWEPT or is_kept(container):
                continue
            if _is_dead(labels, str(container.get("State"))):
                _remove_container(client, container["Id"])
        for volume in volumes.get("Volumes") or []:
            labels = volume.get("Labels") or {}
            if not ownership.is_ours(labels, "private"):
                # Podman takes two filters for "one or the other", and names caches too.
                continue
            if ownership.maker_is_dead(labels) or ownership.is_abandoned(labels, 24 * ABANDONED_SECONDS):
                _remove_volume(client, volume["Name"])
    except PybuildError as exc:
        events.detail(f"leftovers of earlier builds stay for now: {exc}")


def _remove_kept(client: docker.APIClient, seconds: float) -> None:
    with engine.translating("looking for failed builds"):
        found = client.containers(filters={"label": f"{ownership.KIND}=kept"})
    for container in found:
        if is_kept(container) and ownership.age(container.get("Labels") or {}) >= seconds:
            remove_kept(client, container["Id"])


def _create_when_free(
    client: docker.APIClient, spec: ContainerSpec, patience: float
) -> ContainerBuildEnv | None:
    """The container under its name; None when the name did not come free in time, or is a stranger's."""
    began = time.monotonic()
    told = False
    while True:
        try:
            return ContainerBuildEnv.create(client, spec)
        except engine.Conflict:
            holder = _inspect(client, spec.name)
        waited = time.monotonic() - began
        if holder is None and waited < STUCK_SECONDS:
            # Its name comes free a moment after it is gone.
            time.sleep(LOOK_AGAIN_SECONDS / 5)
            continue
        if holder is None:
            events.warn(f"the engine neither finds nor frees the container name {spec.name}")
            return None
        labels = holder["Config"].get("Labels") or {}
        if not any(ownership.is_ours(labels, kind) for kind in _LOCKING):
            events.warn(f"the container {spec.name} is not pybuild's, so this build cannot lock its cache")
            return None
        if _is_dead(labels, holder["State"]["Status"]):
            if waited >= STUCK_SECONDS:
                events.warn(f"the engine does not remove {spec.name}, the container of a build that is dead")
                return None
            _remove_container(client, holder["Id"])
            continue
        if waited >= patience:
            events.warn(f"another build of {labels.get(ownership.IMAGE, 'this app')} still runs")
            return None
        if not told:
            told = True
            events.info(f"Waiting for another build of {labels.get(ownership.IMAGE, 'this app')} to end…")
        time.sleep(LOOK_AGAIN_SECONDS)


def _is_dead(labels: dict[str, str], status: str) -> bool:
    if status in ("exited", "dead") or ownership.maker_is_dead(labels):
        return True
    return status == "created" and ownership.is_abandoned(labels, ABANDONED_SECONDS)


def _inspect(client: docker.APIClient, name: str) -> Any:
    try:
        with engine.translating(f"looking at the container {name}"):
            return client.inspect_container(name)
    except engine.NotFound:
        return None


def _remove_container(client: docker.APIClient, container: str) -> None:
    """Gone is gone, whoever did it; while the engine does it, wait a moment."""
    try:
        with engine.translating("removing a dead build's container"):
            client.remove_container(container, force=True, v=True)
    except engine.NotFound:
        return
    except engine.Conflict:
        time.sleep(LOOK_AGAIN_SECONDS)


def _remove_volume(client: docker.APIClient, name: str) -> None:
    try:
        with engine.translating(f"removing the volume {name}"):
            client.remove_volume(name)
    except (engine.NotFound, engine.Conflict):
        # Another process was faster, or it is in use after all.
        return


@contextmanager
def _private_volume(client: docker.APIClient, image: str, builder: str) -> Iterator[str]:
    name = f"pybuild-private-{secrets.token_hex(6)}"
    ensure(client, name, ownership.labels("private", image=image, builder=builder), kind="private")
    try:
        yield name
    finally:
        try:
            _remove_volume(client, name)
        except PybuildError as exc:
            events.detail(f"the volume {name} is left for a later build to remove: {exc}")


def _cache(volume: dict[str, Any], state: Path) -> CacheVolume:
    labels = volume.get("Labels") or {}
    try:
        used = (state / volume["Name"]).stat().st_mtime
    except OSError:
        made = labels.get(ownership.CREATED, "")
        used = float(made) if made.isdigit() else 0.0
    usage = volume.get("UsageData") or {}
    return CacheVolume(
        name=volume["Name"],
        image=labels.get(ownership.IMAGE, ""),
        builder=labels.get(ownership.BUILDER, ""),
        size=int(usage.get("Size", -1)),
        used=used,
    )
