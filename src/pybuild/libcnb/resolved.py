"""Which versions a buildpack chose, remembered for the next build: newest by default, the same again when locked.

They are kept in store.toml, which outlives every cache: it travels with the image. `pybuild build --locked` sets
`BP_LOCKED`; then `choose` gives what the build before chose, or says in one error why it cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybuild.libcnb import output
from pybuild.libcnb.moved import moved
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOCKED = "BP_LOCKED"
STORE_KEY = "versions"
MOST_LINES = 5


class Resolved:
    """Versions by name. `before`: those of the last build; `now`: those of this one, so far."""

    def __init__(self, before: Mapping[str, Any] | None = None, *, locked: bool = False) -> None:
        self.before = {name: value for name, value in (before or {}).items() if _is_value(value)}
        self.now: dict[str, str | tuple[str, ...]] = {}
        self.locked = locked

    def choose(
        self, name: str, newest: Callable[[], str], *, accepts: Callable[[str], bool] | None = None
    ) -> str:
        """The version of `name` for this build: what `newest` finds, or when locked the one of the build before.

        `name` is what people call it, as in `php`: it is shown when it moves. `accepts`: whether a version is still what
        the app asks for. Raises `Problem` when locked and there is none before, or it is not accepted any more.
        """
        if not self.locked:
            found = newest()
        else:
            found = str(self._recorded(name))
            if accepts is not None and not accepts(found):
                raise Problem(
                    f"The app asks for another {name} than the one it is locked to",
                    f"{LOCKED} keeps {name} {found}, as in the build before, but the app does not accept that any more.",
                    steps=_UNLOCK,
                )
        self.now[name] = found
        return found

    def choose_all(self, name: str, newest: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """As `choose`, for many at once: `name=version` texts under a name such as that of their layer. Never shown."""
        found = newest() if not self.locked else tuple(self._recorded(name))
        self.now[name] = found
        return found

    def record(self, name: str, version: str) -> None:
        """Remember a version that something else chose, such as the app's lock file, so that it is shown when it moves."""
        self.now[name] = version

    def moves(self) -> tuple[str, ...]:
        """What moved since the last build, a line each: `php 8.2.28 → 8.2.29`."""
        before, now = (
            {name: v for name, v in side.items() if isinstance(v, str)} for side in (self.before, self.now)
        )
        return moved(
            {name: v for name, v in before.items() if name in now},
            {name: v for name, v in now.items() if name in before},
        )

    def show_moves(self) -> None:
        """Print them, a few at most; nothing when nothing moved."""
        if moves := self.moves():
            output.section("Moved since the last build")
            output.steps(moves, most=MOST_LINES)

    def stored(self) -> dict[str, Any]:
        """The table for store.toml; empty when nothing was chosen."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in self.now.items()}

    def _recorded(self, name: str) -> Any:
        if name not in self.before:
            raise Problem(
                "There is nothing to lock to",
                f"{LOCKED} asks for the same {name} as in the build before, but no build before has recorded one.",
                steps=_UNLOCK,
            )
        return self.before[name]


_UNLOCK = (
    "Build once without --locked (or without BP_LOCKED): that takes the newest version and records it.",
)


def _is_value(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )
