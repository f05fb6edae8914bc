"""What moved since the last build: versions before and after, as lines a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = 8


def moved(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """`php 8.2.28 → 8.2.29` for each that has another version, then what is new and what is gone, each in one line."""
    both = sorted(name for name in before if name in after and before[name] != after[name])
    return (
        *(f"{name} {before[name]} → {after[name]}" for name in both),
        *_listed("new", sorted({*after} - {*before})),
        *_listed("gone", sorted({*before} - {*after})),
    )


def versions(items: Iterable[str]) -> dict[str, str]:
    """`name=version` texts as a mapping."""
    return {name: version for name, _, version in (item.partition("=") for item in items)}


def _listed(word: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return [f"{word}: {', '.join(names[:MOST])}{more}"]
