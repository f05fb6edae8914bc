"""What `pybuild buildpack inspect` and `pybuild extension inspect` print: as pack does, and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybuild.cli.show.console import printable
from pybuild.cli.show.module_text import group_tree, module_table, step_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.platform.buildpacks.package_inspect import PackageInfo


def buildpack_lines(info: PackageInfo, *, mixins: bool) -> Iterator[str]:
    """One buildpackage for people."""
    yield from ("", f"{info.place}:", "", "Stacks:")
    for stack in info.stacks:
        yield from (f"  ID: {printable(stack.id)}", "    Mixins:")
        if not mixins:
            yield "      (omitted)"
        else:
            yield from [f"      {printable(each)}" for each in stack.mixins] or ["      (none)"]
    yield from ("", "Buildpacks:", *module_table(info.modules))
    yield from ("", "Detection Order:", *group_tree(info.order))


def extension_lines(info: PackageInfo) -> Iterator[str]:
    """One extension package for people."""
    yield from ("", f"{info.place}:", "", "Extension:", *module_table([info.main]))


def data(info: PackageInfo) -> dict[str, Any]:
    """One package as data."""
    fields = {key: value for key, value in info.main.fields.items() if key != "stacks"}
    return {
        "place": info.place.lower(),
        **fields,
        "stacks": [{"id": each.id, "mixins": list(each.mixins)} for each in info.stacks],
        "modules": [
            {"id": each.id, "version": each.version, "name": each.name, "homepage": each.homepage}
            for each in info.modules
        ],
        "order": list(map(step_data, info.order)),
    }
