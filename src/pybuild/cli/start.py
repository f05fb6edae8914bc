"""The programs `pybuild` and `pybuild-pack`. Signals come first: Ctrl-C while Python imports the rest is no traceback."""

from __future__ import annotations

import gc
import sys

from pybuild.cli.signals import carry_out

_FEW_COLLECTIONS = 50_000  # objects, some 5 MB, instead of 700


def pybuild() -> None:
    """The `pybuild` command."""
    carry_out(_pybuild)


def pybuild_pack() -> None:
    """The program `pybuild-pack`."""
    carry_out(_pybuild_pack)


def _pybuild() -> int:
    # Imports make objects that stay until the end. To look through them again and again is a third of their time.
    gc.set_threshold(_FEW_COLLECTIONS)
    from pybuild.cli.main import run

    return run(sys.argv[1:])


def _pybuild_pack() -> int:
    from pybuild.cli.pack.compat import pack

    return pack(sys.argv[1:])
