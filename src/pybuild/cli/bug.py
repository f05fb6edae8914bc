"""The report of a bug of ours: versions and the traceback in a file, so that the user sees one line."""

from __future__ import annotations

import platform
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild import __version__, events

if TYPE_CHECKING:
    from collections.abc import Sequence


def report(exc: BaseException, argv: Sequence[str]) -> Path | None:
    """Write the report to a new file in the temporary directory; None if even that fails."""
    text = "\n".join(
        [
            f"pybuild {__version__}",
            f"python {platform.python_version()} on {platform.platform()}",
            f"command: {_command(argv)}",
            "",
            "".join(traceback.format_exception(exc)),
        ]
    )
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="pybuild-bug-",
            suffix=".txt",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as file:
            file.write(events.redact(text))
    except OSError:
        return None
    return Path(file.name)


def _command(argv: Sequence[str]) -> str:
    """The words of the command line, without the values that variables were given."""
    shown = []
    hidden = False
    for word in argv:
        name, equals, _ = word.partition("=")
        shown.append("***" if hidden and not equals else f"{name}=***" if equals else word)
        hidden = word in {"-e", "--env"}
    return " ".join(shown)
