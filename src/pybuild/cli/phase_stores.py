"""Where the phases find and put images: the one table that a new kind of store is entered in.

Specification: platform.md, "analyzer", "exporter" on `<daemon>` and `<layout>`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pybuild.errors import PybuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pybuild.cli.phase_run import PhaseRun, StoreOpener
    from pybuild.stores.api import ImageStore


def _daemon(run: PhaseRun) -> Callable[[], ImageStore]:
    """The Docker Engine's images. Its socket is opened now: the build user may not be allowed to."""
    from pybuild import engine
    from pybuild.lifecycle.privileges import Door
    from pybuild.stores.daemon import DaemonStore

    host = engine.find_endpoint(run.environ).host
    path = host.removeprefix("unix://")
    drops = os.geteuid() == 0 and run.inputs.uid != 0
    opener = Door.keep(path).open if drops and path != host else None
    client = engine.connect(run.environ, opener=opener)
    return lambda: DaemonStore(client)


def _not_yet(what: str) -> StoreOpener:
    def refuse(run: PhaseRun) -> Callable[[], ImageStore]:
        raise PybuildError(
            f"{run.phase}: images in {what} are not supported yet",
            hint="use -daemon, with the Docker Engine's socket mounted",
        )

    return refuse


STORES: Mapping[str, StoreOpener] = {
    "daemon": _daemon,
    "registry": _not_yet("a registry"),
    "layout": _not_yet("OCI layout format"),
}
