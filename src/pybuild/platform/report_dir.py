"""The folder that a user wants report.toml in: found out about before anything is made, written when all is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.errors import InvalidInput, PybuildError

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.spec.report import Report


def make_folder(folder: Path) -> None:
    """Make it, if it is not there. Raises `InvalidInput` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InvalidInput(
            f"the folder {folder} for report.toml cannot be made: {exc.strerror}", hint="name another one"
        ) from exc


def write_report(folder: Path, report: Report, *, failure: type[PybuildError]) -> None:
    """Write report.toml. Raises `failure` where that cannot be; the image is there all the same."""
    try:
        (folder / "report.toml").write_bytes(report.write())
    except OSError as exc:
        raise failure(
            f"the image was saved, but {folder / 'report.toml'} cannot be written: {exc.strerror}",
            hint="name another folder with --report-output-dir",
        ) from exc
