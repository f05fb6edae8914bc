"""The launcher's script for layers that are on this machine and not in an image.

Specification: platform.md, "launcher".
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.launcher.compile import compile_launcher
from pybuild.launcher.inputs import launch_inputs
from pybuild.spec.names import escape_id

if TYPE_CHECKING:
    from pybuild.spec.api import ApiVersion
    from pybuild.spec.launch import Metadata


def launch_script(metadata: Metadata, api: ApiVersion, layers_dir: str, app_dir: str) -> bytes:
    """An sh script that launches as `metadata` says; it looks into the layers itself when it runs.

    Raises `BuildpackApiUnsupported`.
    """
    inputs = launch_inputs(
        metadata,
        platform_api=api,
        layers_dir=layers_dir,
        app_dir=app_dir,
        entries=(),
        files={},
        layers=[
            (element.id, path.name)
            for element in metadata.buildpacks
            for path in _folders(Path(layers_dir, escape_id(element.id)))
        ],
    )
    return compile_launcher(inputs)


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        # A buildpack need not have made one.
        return []
