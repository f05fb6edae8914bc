"""Applies the Dockerfiles of image extensions to an image, whoever carries their instructions out.

What every one of them is told, which it must leave behind, and whose result may be rebased later is decided here.

Specification: image_extension.md, "Phase: Extension"; platform.md, "extender".
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pybuild.errors import ExtendError
from pybuild.events import detail, info, warn
from pybuild.lifecycle.dockerfiles import arg_name, body_of, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.lifecycle.dockerfiles import Instruction

Kind = Literal["build", "run"]
KINDS: tuple[Kind, ...] = ("build", "run")
REBASABLE = "io.buildpacks.rebasable"

BUILD_ID, USER_ID, GROUP_ID = "build_id", "user_id", "group_id"
SAME_BUILD_ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/pybuild/pybuild#build_id"))
"""For a Dockerfile that never refers to it: a value that changed would only spoil caches."""

_REFERS = re.compile(r"\$\{?build_id\b")
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One Dockerfile to apply. `where`: what errors call it. `args`: of extend-config.toml, for this kind.

    `context`: the folder, in the build environment, that COPY and ADD take files from.
    """

    extension_id: str
    where: str
    content: bytes
    context: str
    args: Mapping[str, str] = field(default_factory=dict)

    def instructions(self) -> tuple[Instruction, ...]:
        """Those after FROM."""
        return body_of(parse(self.content, file=self.where))


class Applier(Protocol):
    """An image on which Dockerfiles are applied, one after the other."""

    def config(self) -> Mapping[str, Any]:
        """The object `config` of the image's configuration, as it is now."""
        ...

    def apply(self, application: Application, args: Mapping[str, str]) -> None:
        """Carry the Dockerfile out, with these build arguments. Raises `ExtendError`."""
        ...


def extend(applier: Applier, applications: Sequence[Application], kind: Kind) -> Mapping[str, Any]:
    """Apply all of them in order; return the object `config` of what came of it.

    For a run image with the right label about rebasing (XTD-05), and `ExtendError` if extensions leave root as its
    user (XTD-06). One that states no user, before and after, is as the platform chose it: no more than a warning.
    """
    config = applier.config()
    original = user = _user(config)
    rebasable = True
    for application in applications:
        info(f"Extending the {kind} image by {application.extension_id}")
        instructions = application.instructions()
        applier.apply(application, _arguments(application, instructions, user))
        config = applier.config()
        # Not what the base image says of itself: each Dockerfile has to say it for what it adds.
        rebasable = rebasable and _sets_rebasable(instructions) and _labels(config).get(REBASABLE) in _TRUE
        before, user = user, _user(config)
        if _is_root(user) and not _is_root(before) and kind == "run":
            detail(f"{application.where} changes the user from {before[0]} to {user[0] or 'root'}")
    if kind == "build":
        return config
    if not user[0] and not original[0]:
        warn("the run image states no user, so the app will run as root unless somebody says otherwise")
        config = {key: value for key, value in config.items() if key != "User"}
    elif _is_root(user):
        raise ExtendError(
            f"{applications[-1].where if applications else 'the run image'} leaves root as the run image's user;"
            f" expected another one, as {original[0] or 'a number'} before",
            hint="the extension must end its run.Dockerfile with USER ${user_id}",
        )
    elif user[0] != original[0]:
        warn(f"the run image's user was {original[0] or 'root'}, and extensions left {user[0]}")
    return {**config, "Labels": {**_labels(config), REBASABLE: "true" if rebasable else "false"}}


def first_reference(instructions: Sequence[Instruction]) -> Instruction | None:
    """The first instruction that depends on the value of `build_id`; everything from there on is made anew."""
    return next(
        (each for each in instructions if arg_name(each) != BUILD_ID and _REFERS.search(each.rest)), None
    )


def _arguments(
    application: Application, instructions: Sequence[Instruction], user: tuple[str, str]
) -> dict[str, str]:
    build_id = str(uuid.uuid4()) if first_reference(instructions) else SAME_BUILD_ID
    return {BUILD_ID: build_id, USER_ID: user[0], GROUP_ID: user[1], **application.args}


def _user(config: Mapping[str, Any]) -> tuple[str, str]:
    """User and group as the configuration states them; "" for what it does not."""
    name, _, group = str(config.get("User") or "").partition(":")
    return name, group


def _is_root(user: tuple[str, str]) -> bool:
    return user[0] in ("", "root") or (user[0].isdigit() and int(user[0]) == 0)


def _labels(config: Mapping[str, Any]) -> Mapping[str, str]:
    return config.get("Labels") or {}


def _sets_rebasable(instructions: Sequence[Instruction]) -> bool:
    return any(each.keyword == "LABEL" and REBASABLE in each.rest for each in instructions)
