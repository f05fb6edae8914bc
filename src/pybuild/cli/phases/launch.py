"""The launcher in an image that an exporter did not make: with Python, with layers, but without a launcher for them.

Images of the exporter have a launcher of their own, an sh script without Python (ADR 4). The file `launcher` of our
lifecycle is not one; where it runs all the same (in a builder, or copied into an image as the Go lifecycle's may be),
it calls this: the same script is made on the spot and takes this process's place.

Specification: platform.md, "launcher".
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pybuild.cli.phases.run import read_file
from pybuild.errors import PybuildError
from pybuild.lifecycle.launch import launch_script
from pybuild.spec.launch import Metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.spec.api import ApiVersion

_ENVIRON = "/proc/self/environ"
_LARGEST = 1 << 17  # of one word of a command line: Linux's MAX_ARG_STRLEN


class LaunchError(PybuildError):
    """Platform API, "launcher": launch-specific error conditions."""

    exit_code = 82


def launch(words: Sequence[str], environ: Mapping[str, str], api: ApiVersion) -> NoReturn:
    """Become the app's process. `words`: what the launcher was called as, then its arguments.

    Raises `LaunchError`, `BuildpackApiUnsupported`, and `PybuildError` (1) where metadata.toml cannot be read.
    """
    layers_dir = environ.get("CNB_LAYERS_DIR") or "/layers"
    metadata = read_file(f"{layers_dir}/config/metadata.toml", Metadata.read)
    script = launch_script(metadata, api, layers_dir, environ.get("CNB_APP_DIR") or "/workspace")
    if len(script) >= _LARGEST:
        raise LaunchError(
            f"the launcher of this app has {len(script)} bytes, which is more than can be started"
        )
    arguments: list[str | bytes] = ["sh", "-c", script, *words]
    os.execve("/bin/sh", arguments, _given_environ(environ))


def _given_environ(environ: Mapping[str, str]) -> Mapping[bytes, bytes]:
    """The environment as this process was given it: Python itself puts LC_CTYPE there in the C locale (PEP 538)."""
    try:
        text = Path(_ENVIRON).read_bytes()
    except OSError:
        return {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}
    pairs = (item.partition(b"=") for item in text.split(b"\0") if item)
    return {name: value for name, _, value in pairs}
