"""`lifecycle confirm`: what detection left is checked against the order, then handed to later phases. Not in the
Platform API; for platforms that keep the files they go by on a volume which buildpacks cannot write.

    lifecycle confirm -group /detected/group.toml -plan /detected/plan.toml -to /control
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.cli.phases.run import read_file, write_file
from pybuild.errors import InvalidInput
from pybuild.events import info
from pybuild.lifecycle.buildpacks import Modules
from pybuild.lifecycle.confirm import confirm
from pybuild.lifecycle.go_flags import Flag, parse_flags
from pybuild.spec.order import Group, OrderFile, System
from pybuild.spec.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.spec.api import ApiVersion

# Flag, variable, default: the detector's.
_INPUTS = (
    ("order", "CNB_ORDER_PATH", "/cnb/order.toml", "path to order.toml"),
    ("system", "CNB_SYSTEM_PATH", "/cnb/system.toml", "path to system.toml"),
    ("buildpacks", "CNB_BUILDPACKS_DIR", "/cnb/buildpacks", "path to buildpacks directory"),
    ("extensions", "CNB_EXTENSIONS_DIR", "/cnb/extensions", "path to extensions directory"),
    ("group", "CNB_GROUP_PATH", "", "path to group.toml, as the detector left it"),
    ("plan", "CNB_PLAN_PATH", "", "path to plan.toml, as the detector left it"),
    ("to", "", "", "folder for both files, once they are confirmed"),
)


def confirm_detection(words: Sequence[str], environ: Mapping[str, str], api: ApiVersion) -> None:
    """Check both files and write them anew, below `-to`. `DetectError` (22) when they are not of this order."""
    given, rest = parse_flags([Flag(name, "text", what) for name, _, _, what in _INPUTS], words)
    if rest:
        raise InvalidInput(f"received unexpected arguments: {' '.join(rest)}")
    said = {
        name: given.get(name) or environ.get(variable, "") or default
        for name, variable, default, _ in _INPUTS
    }
    if not (said["group"] and said["plan"] and said["to"]):
        raise InvalidInput(
            "-group, -plan and -to are needed",
            hint="lifecycle confirm -group /detected/group.toml -plan /detected/plan.toml -to /control",
        )
    modules = Modules.read(
        LocalBuildEnv(), buildpacks_dir=said["buildpacks"], extensions_dir=said["extensions"]
    )
    plan = read_file(said["plan"], Plan.read)
    group = confirm(
        read_file(said["group"], Group.read),
        plan,
        order=read_file(said["order"], OrderFile.read),
        system=read_file(said["system"], System.read, missing=System()),
        modules=modules,
        platform_api=api,
        exec_env=environ.get("CNB_EXEC_ENV", "") or "production",
    )
    folder = PurePosixPath(said["to"])
    write_file(str(folder / "group.toml"), group.write())
    write_file(str(folder / "plan.toml"), plan.write())
    info(f"{len(group.buildpacks)} buildpacks, as the order has them")
