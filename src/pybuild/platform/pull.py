"""Images from a registry, or the user's mirror of it, into the engine, as often as the pull policy says.

Names that begin with `pybuild/` are made on this machine and never pulled: a registry's image of that name would
be somebody else's.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from pybuild import engine
from pybuild.errors import EngineUnavailable, InvalidInput, PybuildError
from pybuild.events import Progress, emit, hide_login, info, redact, warn
from pybuild.oci.reference import DOCKER_HUB, REGISTRY, Reference
from pybuild.platform import pulled
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import docker

    from pybuild.stores.api import StoredImage

PullPolicy = str
"""One of `PULL_POLICIES`, or `interval=` and a duration; `checked_policy` makes them."""

DEFAULT_POLICY = "if-not-present"
PULL_POLICIES = ("always", "if-not-present", "never", "hourly", "daily", "weekly")
OURS = "pybuild/"
ALL_REGISTRIES = "*"

_HUB = "index.docker.io"  # what pack's settings call Docker Hub
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_INTERVALS = {"hourly": 3600, "daily": 86400, "weekly": 7 * 86400}
_INTERVAL = re.compile(r"interval=((?:[0-9]{1,6}[smhdw])+)")

_PROGRESS_SECONDS = 0.2


class PullRefused(PybuildError):
    """A registry does not give us the image, or does not answer."""


def checked_registry(word: str) -> str:
    """`word` if it is `host[:port]`; else `InvalidInput`."""
    if REGISTRY.fullmatch(word) is None:
        hide_login(word)
        raise InvalidInput(
            f"{word!r} is no registry: expected a host name or host:port",
            hint="--insecure-registry registry.example.com:5000",
        )
    return word


def checked_policy(text: str) -> PullPolicy:
    """`text` as a pull policy; `InvalidInput` for anything else."""
    if text in PULL_POLICIES or _INTERVAL.fullmatch(text):
        return text
    raise InvalidInput(
        f"{text!r} is no pull policy: expected one of {', '.join(PULL_POLICIES)}, or interval=…, such as interval=12h",
        hint="--pull-policy interval=24h",
    )


def interval(policy: PullPolicy) -> float | None:
    """Seconds for which an image that was pulled is new enough; None where time does not count."""
    found = _INTERVAL.fullmatch(policy)
    if found is None:
        return _INTERVALS.get(policy)
    return sum(int(part[:-1]) * _UNITS[part[-1]] for part in re.findall(r"[0-9]+[smhdw]", found[1]))


def checked_mirror(registry: str, mirror: str) -> tuple[str, str]:
    """A registry (`host[:port]`, or `*` for all), and the one to ask instead of it; else `InvalidInput`."""
    for word in (registry, mirror):
        if REGISTRY.fullmatch(word) is None and not (word == ALL_REGISTRIES and word is registry):
            hide_login(word)
            raise InvalidInput(
                f"{word!r} is no registry: expected a host name or host:port",
                hint="pybuild config registry-mirrors add docker.io --mirror mirror.example.com:5000",
            )
    return registry, mirror


def mirror_of(registry: str, mirrors: Mapping[str, str]) -> str:
    """The host that is asked instead of a registry, "" for none. Docker Hub is known by both of its names.

    `InvalidInput` for one that is no host: settings may be written by hand.
    """
    names = (DOCKER_HUB, _HUB) if registry == DOCKER_HUB else (registry,)
    found = next((mirrors[name] for name in (*names, ALL_REGISTRIES) if name in mirrors), "")
    return checked_mirror(registry, found)[1] if found else ""


def mirrored(name: Reference, mirrors: Mapping[str, str]) -> Reference | None:
    """Where the image is on the user's mirror of its registry; None if there is no mirror, or a digest says what it is."""
    host = mirror_of(name.registry, mirrors)
    if not host or host == name.registry or name.digest or is_ours(name):
        return None
    return Reference(registry=host, repository=name.repository, tag=name.tag)


def present(
    client: docker.APIClient,
    name: Reference,
    policy: PullPolicy,
    *,
    mirrors: Mapping[str, str] | None = None,
    platform: str = "",
) -> StoredImage:
    """The image `name`, pulled first where the policy asks for it. Raises `PullRefused` if there is none to be had.

    Where it is asked for again (`always`, or an interval that is over), and the registry gives nothing, it goes on with
    the engine's own copy, with a warning. `mirrors`: from a registry, or `*`, to the one that is asked instead.
    `platform`: which image of an index is meant, as `os/arch[/variant]`; one of another is as good as none.
    """
    found = DaemonStore(client).find(name)
    fits = found is not None and _is_for(found, platform)
    if found is not None and (is_ours(name) or (fits and not _is_due(name, policy))):
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
        image = _pull_mirrored(client, name, mirrors or {}, platform)
    except PullRefused as exc:
        if found is None:
            raise
        warn(f"{exc}; going on with the copy that is here")
        return found
    if interval(policy) is not None:
        pulled.remember(name)
    return image


def _is_due(name: Reference, policy: PullPolicy) -> bool:
    """Whether a registry is asked although the engine has the image."""
    seconds = interval(policy)
    return policy == "always" if seconds is None else pulled.age(name) >= seconds


def _is_for(image: StoredImage, platform: str) -> bool:
    if not platform:
        return True
    asked = platform.split("/")
    return [image.config.get(key) for key in ("os", "architecture", "variant")][: len(asked)] == asked


def _pull_mirrored(client: Any, name: Reference, mirrors: Mapping[str, str], platform: str) -> StoredImage:
    """Pull from the mirror, if there is one, and give the image its own name."""
    mirror = mirrored(name, mirrors)
    if mirror is None:
        return pull(client, name, platform=platform)
    info(f"Using mirror '{mirror}' for '{name}'")
    image = pull(client, mirror, platform=platform)
    with engine.translating(f"naming the image {name}"):
        client.tag(image.id, name.familiar_repository, name.tag)
    return image


def is_ours(name: Reference) -> bool:
    """Whether it is one of the images that pybuild makes itself."""
    return name.familiar_repository.startswith(OURS)


def pull(client: Any, name: Reference, *, platform: str = "") -> StoredImage:
    """Pull an image with progress. Raises `PullRefused`; a lost engine raises `EngineUnavailable`."""
    info(f"Pulling {name}{f' for {platform}' if platform else ''}")
    try:
        with engine.translating(f"pulling {name}"):
            _follow(
                client.pull(
                    name.familiar_repository,
                    tag=name.digest or name.tag,
                    stream=True,
                    decode=True,
                    platform=platform or None,
                ),
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
