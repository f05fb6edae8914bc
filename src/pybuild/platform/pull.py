"""Images from a registry into the engine, as often as the pull policy says.

Names that begin with `pybuild/` are made on this machine and never pulled: a registry's image of that name would
be somebody else's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from pybuild import engine
from pybuild.errors import EngineUnavailable, InvalidInput, PybuildError
from pybuild.events import Progress, emit, info, redact, warn
from pybuild.oci.reference import REGISTRY, Reference
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Iterable

    import docker

    from pybuild.stores.api import StoredImage

PullPolicy = Literal["always", "if-not-present", "never"]
PULL_POLICIES: tuple[PullPolicy, ...] = ("always", "if-not-present", "never")
OURS = "pybuild/"

_PROGRESS_SECONDS = 0.2


class PullRefused(PybuildError):
    """A registry does not give us the image, or does not answer."""


def checked_registry(word: str) -> str:
    """`word` if it is `host[:port]`; else `InvalidInput`."""
    if REGISTRY.fullmatch(word) is None:
        raise InvalidInput(
            f"{word!r} is no registry: expected a host name or host:port",
            hint="--insecure-registry registry.example.com:5000",
        )
    return word


def checked_policy(text: str) -> PullPolicy:
    """`text` as a pull policy; `InvalidInput` for anything else."""
    for policy in PULL_POLICIES:
        if text == policy:
            return policy
    raise InvalidInput(f"{text!r} is no pull policy: expected one of {', '.join(PULL_POLICIES)}")


def present(client: docker.APIClient, name: Reference, policy: PullPolicy) -> StoredImage:
    """The image `name`, pulled first where the policy asks for it. Raises `PullRefused` if there is none to be had.

    `always` goes on with the engine's own copy, with a warning, when the registry gives nothing.
    """
    found = DaemonStore(client).find(name)
    if found is not None and (policy != "always" or is_ours(name)):
        return found
    if found is None and is_ours(name):
        raise PullRefused(
            f"the image {name} is missing, and no registry has it: it is made on this machine",
            hint="build without --builder and --run-image, which makes it",
        )
    if policy == "never":
        raise PullRefused(
            f"the Docker Engine has no image {name}, and the pull policy is never",
            hint=f"docker pull {name}, or --pull-policy if-not-present",
        )
    try:
        return pull(client, name)
    except PullRefused as exc:
        if found is None:
            raise
        warn(f"{exc}; going on with the copy that is here")
        return found


def is_ours(name: Reference) -> bool:
    """Whether it is one of the images that pybuild makes itself."""
    return name.familiar_repository.startswith(OURS)


def pull(client: Any, name: Reference) -> StoredImage:
    """Pull an image with progress. Raises `PullRefused`; a lost engine raises `EngineUnavailable`."""
    info(f"Pulling {name}")
    try:
        with engine.translating(f"pulling {name}"):
            _follow(
                client.pull(name.familiar_repository, tag=name.digest or name.tag, stream=True, decode=True),
                name,
            )
    except EngineUnavailable:
        raise
    except PullRefused:
        raise
    except PybuildError as exc:
        raise PullRefused(
            f"{name} cannot be pulled: {exc}", hint="check the name; docker login REGISTRY"
        ) from exc
    finally:
        emit(Progress(label=f"Pulling {name}", done=-1))
    found = DaemonStore(client).find(name)
    if found is None:
        raise PullRefused(f"{name} was pulled, but the Docker Engine does not have it")
    return found


def _follow(steps: Iterable[dict[str, Any]], name: Reference) -> None:
    """Show how far the layers are; the engine tells of each of them apart."""
    layers: dict[str, tuple[int, int]] = {}
    shown = 0.0
    for step in steps:
        if step.get("error"):
            raise PullRefused(
                f"{name} cannot be pulled: {redact(str(step['error']))[:500]}", hint="docker login"
            )
        progress = step.get("progressDetail") or {}
        if step.get("status") == "Downloading" and progress.get("total"):
            layers[str(step.get("id"))] = (int(progress.get("current", 0)), int(progress["total"]))
        if layers and time.monotonic() - shown > _PROGRESS_SECONDS:
            shown = time.monotonic()
            done, total = (sum(values) for values in zip(*layers.values(), strict=True))
            emit(Progress(label=f"Pulling {name}", done=done, total=total))
