"""Which buildpacks are tried in which order: the user's words, else project.toml's, else the builder's.

Specification: project descriptor, "io.buildpacks.group", "pre" and "post"; platform.md, "order.toml". T1-04, T1-05.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import BuilderUnusable
from pybuild.platform.fetch import Fetched, fetch, fetch_entry
from pybuild.spec.order import OrderFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pybuild.spec.builder import Builder
    from pybuild.spec.order import Order
    from pybuild.spec.project import GroupEntry, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenOrder:
    """The order, and the buildpacks of it that the builder lacks."""

    order: OrderFile
    fetched: tuple[Fetched, ...] = ()


def chosen_order(
    words: Sequence[str], project: Project, builder: Builder, *, app: Path, scratch: Path
) -> ChosenOrder:
    """`words`: of `--buildpack`, in order. pre and post of project.toml surround the builder's own groups only."""
    folder = app if app.is_dir() else app.parent

    def entries(found: Sequence[GroupEntry]) -> list[Fetched]:
        return [fetch_entry(entry, app=folder, builder=builder, scratch=scratch) for entry in found]

    if words:
        own = [fetch(word, folder=_here(), builder=builder, scratch=scratch) for word in words]
    else:
        own = entries(project.group)
    if own:
        group = tuple(fetched.ref for fetched in own)
        return ChosenOrder(order=OrderFile(order=(group,)), fetched=_new(own))
    pre, post = entries(project.pre), entries(project.post)
    around = tuple(f.ref for f in pre), tuple(f.ref for f in post)
    order: Order = tuple((*around[0], *group, *around[1]) for group in _builders_order(builder))
    return ChosenOrder(
        order=OrderFile(order=order, order_extensions=builder.order_extensions), fetched=_new([*pre, *post])
    )


def _builders_order(builder: Builder) -> Order:
    if not builder.order:
        raise BuilderUnusable(
            f"the builder {builder.name} states no order of buildpacks",
            hint="name the ones to use with --buildpack",
        )
    return builder.order


def _new(found: Sequence[Fetched]) -> tuple[Fetched, ...]:
    return tuple(fetched for fetched in found if fetched.modules)


def _here() -> Path:
    from pathlib import Path

    return Path()
