"""Images that extensions made of build and run images: kept under a name as long as their app's cache, then removed.

They are what the engine's build cache consists of: while the last one has a name, all its steps are found again.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pybuild import engine, events
from pybuild.errors import PybuildError
from pybuild.platform import ownership

if TYPE_CHECKING:
    import docker

    from pybuild.lifecycle.extend import Kind

REPOSITORY = "pybuild/extended"
LABELS = {ownership.KIND: "extended"}
ABANDONED_SECONDS = 3600
_NOT_RUNNING = ["created", "exited", "dead"]
_KINDS: tuple[Kind, ...] = ("build", "run")


def name_of(kind: Kind, volume: str) -> str:
    """The name under which the app with this cache volume keeps its extended image."""
    return f"{REPOSITORY}:{kind}-{volume.rpartition('-')[2]}"


def keep(client: docker.APIClient, image: str, kind: Kind, volume: str) -> None:
    """Give the image its name, and remove the one that had it before."""
    name = name_of(kind, volume)
    before = _id(client, name)
    if before == image:
        return
    repository, _, tag = name.partition(":")
    with engine.translating(f"naming the image {name}"):
        client.tag(image, repository, tag, force=True)
    if before:
        drop(client, before)


def forget(client: docker.APIClient, volume: str) -> None:
    """Remove what the app with this cache volume keeps. Never fails: what stays is only disk space."""
    for kind in _KINDS:
        try:
            name = name_of(kind, volume)
            with engine.translating(f"removing the image {name}"):
                found = _inspect(client, name)
                # With its last name the image itself goes.
                client.remove_image(name, noprune=True)
            drop(client, str(found["Id"]))
            drop(client, str(found.get("Parent") or ""))
        except engine.NotFound:
            continue
        except PybuildError as exc:
            events.detail(f"an extended image stays for now: {exc}")


def drop(client: docker.APIClient, image: str) -> None:
    """Remove an image of ours and what it was made from step by step, as far as nothing else needs it."""
    while image:
        try:
            with engine.translating("removing an extended image"):
                found = _inspect(client, image)
                labels = (found.get("Config") or {}).get("Labels")
                if found.get("RepoTags") or not ownership.is_ours(labels, "extended"):
                    return
                client.remove_image(found["Id"], noprune=True)
        except engine.NotFound:
            return
        except PybuildError as exc:
            # A container or another image stands on it.
            events.detail(f"an extended image stays: {exc}")
            return
        image = str(found.get("Parent") or "")


def sweep(client: docker.APIClient, *, seconds: float = ABANDONED_SECONDS) -> None:
    """Remove what builds left that ended in the middle, once it is older than `seconds`. Never fails a build."""
    with suppress(PybuildError), engine.translating("looking for extended images that nobody needs"):
        # An engine that dies in the middle of a step forgets the step, and keeps its container.
        label = f"{ownership.KIND}=extended"
        for container in client.containers(all=True, filters={"label": label, "status": _NOT_RUNNING}):
            _remove_step(client, str(container["Id"]), float(container.get("Created") or 0), seconds)
        for image in client.images(filters={"label": label, "dangling": True}):
            if time.time() - float(image.get("Created") or 0) > seconds:
                drop(client, str(image["Id"]))


def _remove_step(client: docker.APIClient, container: str, made: float, seconds: float) -> None:
    """Remove the container of a step, unless it ended only now: then the engine is about to make an image of it."""
    with suppress(engine.NotFound, engine.Conflict), engine.translating("removing what is left of a step"):
        state = client.inspect_container(container)["State"]
        # One that the engine does not know to have begun "finished" in the year 1.
        finished = datetime.fromisoformat(state["FinishedAt"])
        last = made if finished.year == 1 else finished.timestamp()
        if time.time() - last > seconds:
            client.remove_container(container, force=True, v=True)


def _id(client: docker.APIClient, name: str) -> str:
    try:
        with engine.translating(f"looking for the image {name}"):
            return str(_inspect(client, name)["Id"])
    except engine.NotFound:
        return ""


def _inspect(client: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.inspect_image(name)
    return found
