"""Which buildpacks are tried in which order: the user's words, else project.toml's, else the builder's.

Specification: project descriptor, "io.buildpacks.group", "pre" and "post"; platform.md, "order.toml". T1-04, T1-05.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import BuilderUnusable
from pybuild.events import detail, warn
from pybuild.platform.choices import Choices
from pybuild.spec.order import OrderFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pybuild.platform.fetch import Fetched
    from pybuild.spec.builder import Builder
    from pybuild.spec.order import Order
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
) -> ChosenOrder:
    """`words`: of `--buildpack`, in order. What comes before and after surrounds the builder's own groups only.

    Of project.toml, what is for other execution environments than `choices` says takes no part.
    """
    choices = choices or Choices()
    folder = app if app.is_dir() else app.parent
    group, pre, post = (
        [each for each in entries if not each.exec_envs or choices.exec_env in each.exec_envs]
        for entries in (project.group, project.pre, project.post)
    )
    own = _named(words, builder, scratch) if words else _listed(group, folder, builder, scratch)
    if own:
        if choices.before or choices.after:
            warn(
                "the buildpacks are named one by one, so --pre-buildpack and --post-buildpack change nothing"
            )
        refs = tuple(fetched.ref for fetched in own)
        return ChosenOrder(
            order=OrderFile(order=(refs,), order_extensions=builder.order_extensions), fetched=_new(own)
        )
    before, after = (
        _named(chosen, builder, scratch) if chosen else _listed(entries, folder, builder, scratch)
        for chosen, entries in ((choices.before, pre), (choices.after, post))
    )
    first, last = tuple(each.ref for each in before), tuple(each.ref for each in after)
    order: Order = tuple((*first, *refs, *last) for refs in _builders_order(builder))
    return ChosenOrder(
        order=OrderFile(order=order, order_extensions=builder.order_extensions),
        fetched=_new([*before, *after]),
    )


def _named(words: Sequence[str], builder: Builder, scratch: Path) -> list[Fetched]:
    from pathlib import Path

    from pybuild.platform.fetch import fetch

    return [fetch(word, folder=Path.cwd(), builder=builder, scratch=scratch) for word in words]


def _listed(entries: Sequence[GroupEntry], app: Path, builder: Builder, scratch: Path) -> list[Fetched]:
    if not entries:
        return []
    from pybuild.platform.fetch import fetch_entry

    return [fetch_entry(entry, app=app, builder=builder, scratch=scratch) for entry in entries]


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
        detail(f"Adding buildpack '{about.id}' version '{about.version}' to builder's container")
    return new
