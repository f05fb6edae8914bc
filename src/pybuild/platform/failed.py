"""The container of a build that failed, entered while it is there or kept for later.

What a shell in it sees is what the buildpack that failed saw: its directory, its variables, its plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pybuild import engine
from pybuild.buildenv.scripts import quote
from pybuild.errors import InvalidInput, PybuildError
from pybuild.lifecycle.scripts import run_lines, write_file
from pybuild.oci.reference import Reference
from pybuild.platform import ownership, volumes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import docker

    from pybuild.buildenv.api import Command
    from pybuild.buildenv.container import ContainerBuildEnv
    from pybuild.errors import BuildpackFailed
    from pybuild.platform.prepare import Prepared
    from pybuild.platform.volumes import OpenBuild

ENTER = "/tmp/pybuild-enter"
AGAIN = "/tmp/again"
"""Runs what failed once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedBuild:
    """A build that failed just now. `user`: `uid:gid` of the build."""

    client: docker.APIClient
    env: ContainerBuildEnv
    image: str
    volume: str
    user: str

    @property
    def container(self) -> str:
        """Its ID."""
        return self.env.container


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBuild:
    """A failed build that was kept. `image`: what it was to become; `user`: as for `FailedBuild`."""

    container: str
    image: str
    user: str
    age: float


def failed_build(failure: BuildpackFailed, ready: Prepared, held: OpenBuild) -> FailedBuild:
    """What a build leaves whose buildpack failed; made ready to be entered."""
    env = cast("ContainerBuildEnv", failure.place or held.env)
    if failure.command is not None:
        _make_enterable(env, cast("Command", failure.command))
    return FailedBuild(
        client=ready.client,
        env=env,
        image=ready.request.image.familiar,
        volume=held.volume,
        user=f"{env.uid}:{env.gid}",
    )


def keep(failed: FailedBuild) -> None:
    """Let the container stay, in the place of one that an earlier build of the app left; the next build removes it."""
    name = volumes.kept_name(failed.volume)
    volumes.remove_kept(failed.client, name)
    failed.env.leave(name)


def kept_builds(client: docker.APIClient) -> list[KeptBuild]:
    """All that are kept, the newest first."""
    with engine.translating("looking for failed builds"):
        found: list[Any] = client.containers(filters={"label": f"{ownership.KIND}=kept"})
    builds = []
    for item in filter(volumes.is_kept, found):
        labels = item.get("Labels") or {}
        with engine.translating("looking at a failed build"):
            user = client.inspect_container(item["Id"])["Config"]["User"]
        image, age = labels.get(ownership.IMAGE, ""), ownership.age(labels)
        builds.append(KeptBuild(container=item["Id"], image=image, user=user, age=age))
    return sorted(builds, key=lambda build: build.age)


def kept_build(client: docker.APIClient, image: str) -> KeptBuild:
    """The one of this image, or with "" the newest. Raises `InvalidInput` if there is none."""
    builds = kept_builds(client)
    wanted = Reference.parse(image).familiar if image else ""
    found = next((build for build in builds if wanted in ("", build.image)), None)
    if found is None:
        known = ", ".join(dict.fromkeys(build.image for build in builds))
        raise InvalidInput(
            f"no failed build{f' of {wanted}' if wanted else ''} was kept"
            + (f": there is {known}" if known else ""),
            hint=f"pybuild {image or 'myapp'} --on-failure keep",
        )
    return found


def entering(words: Sequence[str]) -> list[str]:
    """The command that runs `words` in the container as the buildpack would; a shell without any."""
    return ["/bin/sh", ENTER, *words]


def _make_enterable(env: ContainerBuildEnv, command: Command) -> None:
    environ = " ".join(quote(f"{name}={value}") for name, value in command.environ.items())
    enter = (
        "if [ $# = 0 ]; then if command -v bash >/dev/null; then set -- bash --norc -i; else set -- sh -i; fi; fi\n"
        f"cd -- {quote(command.cwd)} || cd /\n"
        f"""exec env -i {environ} TERM="${{TERM:-xterm}}" PS1='failed build:$PWD$ ' "$@"\n"""
    )
    again = f"#!/bin/sh\ncd -- {quote(command.cwd)}\nexec {' '.join(map(quote, command.argv))}\n"
    try:
        lines = [*write_file(ENTER, enter), *write_file(AGAIN, again), f"chmod 700 {ENTER} {AGAIN}"]
        run_lines(env, lines)
    except PybuildError as exc:
        raise PybuildError(f"the failed build cannot be entered: {exc}", hint=exc.hint) from exc
