"""The variables a user may set for the build, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from go import errors

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext

# Debug information is left out: panics still name functions and lines.
LDFLAGS = "-s -w"


def module_folder(context: BuildContext) -> Path:
    """Where go.mod is: `BP_GO_WORKDIR` below the app, else the app. Raises a `Problem`."""
    asked = context.setting("BP_GO_WORKDIR")
    folder = (context.app / asked).resolve()
    if not folder.is_relative_to(context.app.resolve()) or not folder.is_dir():
        raise errors.no_such_folder("BP_GO_WORKDIR", asked)
    return context.app if not asked else folder


def build_words(context: BuildContext) -> tuple[str, ...]:
    """The flags of `go build`: ours, then the user's, which win."""
    ldflags = f"{LDFLAGS} {context.setting('BP_GO_BUILD_LDFLAGS')}".strip()
    return ("-trimpath", "-buildvcs=false", f"-ldflags={ldflags}", *context.words("BP_GO_BUILD_FLAGS"))
