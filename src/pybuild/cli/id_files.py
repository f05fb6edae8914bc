"""`--iidfile` and `--digest-file`: which image a build made, for the next program to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.cli.show.page import check_writable
from pybuild.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.platform.build import BuildResult
    from pybuild.platform.outputs import Output


@dataclass(frozen=True, slots=True, kw_only=True)
class IdFiles:
    """Files to write; None for those that nobody wants."""

    image_id: Path | None
    digest: Path | None

    def write(self, result: BuildResult) -> None:
        """Write them, each one line's text without its end, as `docker build` does."""
        found = next((each.digest for each in result.outputs if each.digest), "")
        for path, text in ((self.image_id, result.outputs[0].image_id), (self.digest, found)):
            if path is not None:
                path.write_text(text, encoding="ascii")


def id_files(image_id: Path | None, digest: Path | None, outputs: tuple[Output, ...]) -> IdFiles:
    """The files, after a look whether they can be written. Raises `InvalidInput` before anything is built."""
    for option, path in (("--iidfile", image_id), ("--digest-file", digest)):
        if path is not None:
            check_writable(option, path)
    if digest is not None and all(output.kind == "docker" for output in outputs):
        raise InvalidInput(
            "--digest-file is for an image with a manifest, and one in an engine has none",
            hint="--publish, --output type=oci-archive,dest=app.tar, or --iidfile",
        )
    return IdFiles(image_id=image_id, digest=digest)
