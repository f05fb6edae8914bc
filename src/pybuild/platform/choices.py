"""What else a user may choose for a build: the words that `pack build` knows besides source, builder and image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import InvalidInput
from pybuild.events import detail, warn
from pybuild.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PRODUCTION = "production"

_EXEC_ENV = re.compile(r"[a-zA-Z0-9.-]+")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_-]+(?:/[a-z0-9.]+)?")
_HIGHEST_ID = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """`before`, `after`: buildpacks around each of the builder's groups. `extensions`: to use instead of the builder's.

    `system` False: the builder's system buildpacks take no part. `previous_image`: whose layers may serve again, ""
    for the image itself. `uid`, `gid`: whom buildpacks run as, None for the builder's user. `platform`: `os/arch` with
    an optional `/variant`, "" for the builder's. `report_dir`, `sbom_dir`: where report.toml and the SBOMs go. `host_users`: the build
    container shares the machine's user namespace where the engine has another one for containers. `registry`: of
    buildpacks, a name in the settings or a URL, "" for the default one. `trust_builder`, `trust_added`: the user
    trusts all buildpacks, or those that the builder does not have.
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    system: bool = True
    previous_image: str = ""
    exec_env: str = PRODUCTION
    uid: int | None = None
    gid: int | None = None
    host_users: bool = False
    platform: str = ""
    report_dir: Path | None = None
    sbom_dir: Path | None = None
    registry: str = ""
    trust_builder: bool = False
    trust_added: bool = False


def read_choices(
    *,
    pre_buildpacks: Sequence[str] = (),
    post_buildpacks: Sequence[str] = (),
    extensions: Sequence[str] = (),
    disable_system_buildpacks: bool = False,
    previous_image: str | None = None,
    exec_env: str = PRODUCTION,
    uid: int | None = None,
    gid: int | None = None,
    userns_host: bool = False,
    platform: str | None = None,
    report_dir: Path | None = None,
    sbom_dir: Path | None = None,
    registry: str | None = None,
    trust_builder: bool = False,
    trust_extra_buildpacks: bool = False,
    lifecycle_image: str | None = None,
    docker_host: str | None = None,
) -> Choices:
    """The choices that these words make. Raises `InvalidInput` for the first one that means nothing.

    The last two change nothing here, and a word says why.
    """
    _check_users(uid, gid)
    if not _EXEC_ENV.fullmatch(exec_env):
        raise InvalidInput(
            f"{exec_env!r} is no execution environment: expected letters, digits, . and -",
            hint="--exec-env production",
        )
    if platform and not _PLATFORM.fullmatch(platform):
        raise InvalidInput(
            f"{platform!r} is no platform: expected os/arch or os/arch/variant", hint="--platform linux/arm64"
        )
    if previous_image and not re.fullmatch(r"(sha256:)?[0-9a-f]{12,64}", previous_image):
        Reference.parse(previous_image)
    if lifecycle_image:
        Reference.parse(lifecycle_image)
        detail(f"the lifecycle image {lifecycle_image} is not needed: pybuild is the lifecycle")
    if docker_host:
        warn(
            "buildpacks are given no engine, so --docker-host changes nothing",
            hint="DOCKER_HOST says which engine pybuild itself uses",
        )
    return Choices(
        before=_split(pre_buildpacks),
        after=_split(post_buildpacks),
        extensions=_split(extensions),
        system=not disable_system_buildpacks,
        previous_image=previous_image or "",
        exec_env=exec_env,
        uid=uid,
        gid=gid,
        host_users=userns_host,
        platform=platform or "",
        report_dir=report_dir,
        sbom_dir=sbom_dir,
        registry=registry or "",
        trust_builder=trust_builder,
        trust_added=trust_extra_buildpacks,
    )


def _check_users(uid: int | None, gid: int | None) -> None:
    for name, number in (("uid", uid), ("gid", gid)):
        if number is not None and not 0 <= number <= _HIGHEST_ID:
            raise InvalidInput(
                f"--{name} {number} is no {name}: expected 0 to {_HIGHEST_ID}", hint=f"--{name} 1000"
            )
    if uid == 0:
        raise InvalidInput("buildpacks never run as root, so --uid 0 is refused", hint="--uid 1000")


def _split(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for word in words for part in word.split(",") if part)
