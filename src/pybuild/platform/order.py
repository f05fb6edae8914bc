"""Which buildpacks are tried in which order: the user's words, else project.toml's, else the builder's.

Specification: project descriptor, "io.buildpacks.group", "pre" and "post"; platform.md, "order.toml". T1-04, T1-05.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pybuild.errors import BuilderUnusable
from pybuild.events import detail, warn
from pybuild.platform.choices import Choices
from pybuild.spec.order import OrderFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pybuild.platform.buildpacks.fetch import Fetched
    from pybuild.platform.buildpacks.modules import Kind
    from pybuild.platform.buildpacks.remote import Remote
    from pybuild.spec.builder import Builder
    from pybuild.spec.order import ModuleRef, Order
    from pybuild.spec.project import GroupEntry, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenOrder:
    """The order, and the buildpacks of it that the builder lacks."""

    order: OrderFile
    fetched: tuple[Fetched, ...] = ()


def chosen_order(
    words: Sequence[str],
    project: Project,
    builder: Builder,
    *,
    app: Path,
    scratch: Path,
    choices: Choices | None = None,
    remote: Callable[[], Remote] | None = None,
) -> ChosenOrder:
    """`words`: of `--buildpack`, in order. What comes before and after surrounds the builder's own groups only.

    Of project.toml, what is for other execution environments than `choices` says takes no part. `remote`: gives
    the ways to what is not on this machine; called only where somebody names a buildpack.
    """
    choices = choices or Choices()
    get = _Getter(builder, app if app.is_dir() else app.parent, scratch, remote)
    group, pre, post = (
        [each for each in entries if not each.exec_envs or choices.exec_env in each.exec_envs]
        for entries in (project.group, project.pre, project.post)
    )
    whole = _whole_builder(words)
    if whole is None:
        own = get.named(words) if words else get.listed(group)
        before, after = choices.before, choices.after
    else:
        own, before, after = [], tuple(words[:whole]), tuple(words[whole + 1 :])
    if own and (before or after):
        warn("the buildpacks are named one by one, so --pre-buildpack and --post-buildpack change nothing")
    first = [] if own else get.named(before) if before or whole is not None else get.listed(pre)
    last = [] if own else get.named(after) if after or whole is not None else get.listed(post)
    groups: Order = (_refs(own),) if own else _builders_order(builder)
    extensions = get.named(choices.extensions, "extension")
    order_extensions: Order = (
        (tuple(replace(ref, optional=True) for ref in _refs(extensions)),)
        if extensions
        else builder.order_extensions
    )
    order: Order = tuple((*_refs(first), *refs, *_refs(last)) for refs in groups)
    return ChosenOrder(
        order=OrderFile(order=order, order_extensions=order_extensions),
        fetched=_new([*first, *own, *last, *extensions]),
    )


def _whole_builder(words: Sequence[str]) -> int | None:
    """Where among the words the builder's own order is asked for."""
    if not words:
        return None
    from pybuild.platform.buildpacks.locator import FROM_BUILDER  # most builds name no buildpack

    return next((at for at, word in enumerate(words) if word in FROM_BUILDER), None)


@dataclass(frozen=True, slots=True)
class _Getter:
    """Words and entries of project.toml to what they mean. `app`: the app's folder."""

    builder: Builder
    app: Path
    scratch: Path
    remote: Callable[[], Remote] | None

    def named(self, words: Sequence[str], kind: Kind = "buildpack") -> list[Fetched]:
        """What a user's words mean, from where they are."""
        if not words:
            return []
        from pathlib import Path

        from pybuild.platform.buildpacks.fetch import fetch

        here = Path.cwd()
        return [
            fetch(
                word,
                folder=here,
                builder=self.builder,
                scratch=self.scratch,
                remote=self._remote(),
                kind=kind,
            )
            for word in words
        ]

    def listed(self, entries: Sequence[GroupEntry]) -> list[Fetched]:
        """What the app's own entries mean."""
        if not entries:
            return []
        from pybuild.platform.buildpacks.fetch import fetch_entry

        return [
            fetch_entry(
                entry, app=self.app, builder=self.builder, scratch=self.scratch, remote=self._remote()
            )
            for entry in entries
        ]

    def _remote(self) -> Remote | None:
        return self.remote() if self.remote is not None else None


def _refs(found: Sequence[Fetched]) -> tuple[ModuleRef, ...]:
    return tuple(each.ref for each in found)


def _builders_order(builder: Builder) -> Order:
    if not builder.order:
        raise BuilderUnusable(
            f"the builder {builder.name} states no order of buildpacks",
            hint="name the ones to use with --buildpack",
        )
    return builder.order


def _new(found: Sequence[Fetched]) -> tuple[Fetched, ...]:
    new = tuple(fetched for fetched in found if fetched.modules)
    for module in (module for fetched in new for module in fetched.modules):
        about = module.descriptor
        detail(f"Adding {about.kind} '{about.id}' version '{about.version}' to builder's container")
    return new
