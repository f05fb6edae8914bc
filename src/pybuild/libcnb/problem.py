"""What a buildpack tells a user whose app it cannot build: what is wrong, what was found, what to do, what to paste."""

from __future__ import annotations

from dataclasses import dataclass

from pybuild.errors import PybuildError


@dataclass(frozen=True, slots=True, kw_only=True)
class Paste:
    """Exact contents for a file of the app; `replaces` says what to do with it, as in "Create" or "Add to"."""

    file: str
    text: str
    action: str = "Write this to"


class Problem(PybuildError):
    """A failure the user can act on, in full: a heading, what was found, numbered steps, a file to paste, a link.

    `steps` are shown numbered, in order. Ends `bin/build` and `bin/detect` with exit code 1 and without a traceback.
    """

    def __init__(
        self,
        heading: str,
        found: str,
        *,
        steps: tuple[str, ...] = (),
        paste: Paste | None = None,
        link: str = "",
    ) -> None:
        super().__init__(heading, hint=steps[0] if steps else "")
        self.heading = heading
        self.found = found
        self.steps = steps
        self.paste = paste
        self.link = link


def describe(error: PybuildError) -> str:
    """The error as lines for a user, ended by a newline."""
    if not isinstance(error, Problem):
        return f"ERROR: {error}\n" + (f"\n  {error.hint}\n" if error.hint else "")
    parts = [f"ERROR: {error.heading}\n", _indented(error.found)]
    if len(error.steps) == 1:
        parts.append(_indented(f"To fix it: {error.steps[0]}"))
    elif error.steps:
        numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(error.steps, 1))
        parts.append(_indented(f"To fix it:\n{numbered}"))
    if error.paste:
        parts.append(
            _indented(f"{error.paste.action} {error.paste.file}:\n\n{_indented(error.paste.text, 4)}")
        )
    if error.link:
        parts.append(_indented(f"More: {error.link}"))
    return "\n".join(parts)


def _indented(text: str, spaces: int = 2) -> str:
    lines = (f"{' ' * spaces}{line}".rstrip() for line in text.strip("\n").split("\n"))
    return "\n".join(lines) + "\n"
