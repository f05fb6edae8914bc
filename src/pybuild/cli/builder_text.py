"""What `pybuild builder inspect` prints: for people as pack prints it, and as data with pack's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybuild.cli.console import printable
from pybuild.cli.module_text import NONE, module_table, order_tree, step_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.errors import PybuildError
    from pybuild.platform.builder_inspect import Apis, BuilderInfo, ModuleInfo, Setting


def human(info: BuilderInfo | None, error: PybuildError | None, *, trusted: bool, verbose: bool) -> list[str]:
    """The lines below REMOTE or LOCAL."""
    if error is not None:
        return [f"ERROR: {printable(str(error))}"]
    return list(_lines(info, trusted=trusted, verbose=verbose)) if info else ["(not present)"]


def _lines(info: BuilderInfo, *, trusted: bool, verbose: bool) -> Iterator[str]:
    yield ""
    if info.description:
        yield from (f"Description: {printable(info.description)}", "")
    if info.created_by[0]:
        name, version = map(printable, info.created_by)
        yield from ("Created By:", f"  Name: {name}", f"  Version: {version}", "")
    yield from (f"Trusted: {'Yes' if trusted else 'No'}", "")
    if info.stack:
        yield from ("Stack:", f"  ID: {printable(info.stack)}")
    if verbose and info.mixins:
        yield from ("  Mixins:", *(f"    {printable(each)}" for each in info.mixins))
    yield from ("", "Lifecycle:", f"  Version: {printable(info.lifecycle) or '(none)'}")
    for title, apis in (("Buildpack", info.buildpack_apis), ("Platform", info.platform_apis)):
        yield f"  {title} APIs:"
        yield f"    Deprecated: {', '.join(apis.deprecated) or '(none)'}"
        yield f"    Supported: {', '.join(apis.supported) or '(none)'}"
    yield from ("", "Run Images:")
    yield from [
        f"  {printable(name)}" for each in info.run_images for name in (each.image, *each.mirrors)
    ] or [NONE]
    yield from ("", "Buildpacks:", *module_table(info.buildpacks))
    yield from ("", "Detection Order:", *order_tree(info.order))
    if info.extensions:
        yield from ("", "Extensions:", *module_table(info.extensions))
        yield from ("", "Detection Order (Extensions):", *order_tree(info.order_extensions))


def warnings(info: BuilderInfo, name: str) -> Iterator[str]:
    """What users of the builder have to do themselves."""
    if not info.run_images:
        yield f"{name} does not specify a run image: users must build with an explicitly specified run image"
    if not info.buildpacks:
        yield f"{name} has no buildpacks: users must supply buildpacks from the host machine"
    elif not info.order:
        yield f"{name} has no detection order: users must build with explicitly specified buildpacks"
    if not info.lifecycle:
        yield f"{name} does not specify a Lifecycle version"


def data(info: BuilderInfo | None) -> dict[str, Any] | None:
    """The object `local_info` or `remote_info`."""
    if info is None:
        return None
    found: dict[str, Any] = {"description": info.description} if info.description else {}
    found["created_by"] = {"name": info.created_by[0], "version": info.created_by[1]}
    if info.stack:
        found["stack"] = {"id": info.stack, **({"mixins": list(info.mixins)} if info.mixins else {})}
    found["lifecycle"] = {
        "version": info.lifecycle or None,
        "buildpack_apis": _apis(info.buildpack_apis),
        "platform_apis": _apis(info.platform_apis),
    }
    found["run_images"] = [
        {"name": name} for each in info.run_images for name in (each.image, *each.mirrors) if name
    ]
    found["buildpacks"] = _modules(info.buildpacks)
    found["detection_order"] = list(map(step_data, info.order))
    if info.extensions:
        found["extensions"] = _modules(info.extensions)
    if info.order_extensions:
        found["order_extensions"] = list(map(step_data, info.order_extensions))
    return found


def _apis(apis: Apis) -> dict[str, list[str]]:
    return {"deprecated": list(apis.deprecated), "supported": list(apis.supported)}


def _modules(modules: Sequence[ModuleInfo]) -> list[dict[str, Any]]:
    return [dict(each.fields) for each in modules]


def settings_data(found: Sequence[tuple[ModuleInfo, Sequence[Setting]]]) -> list[dict[str, Any]]:
    """The settings of each buildpack, as data."""
    return [
        {
            "id": module.id,
            "version": module.version,
            "name": module.name,
            "settings": [
                {
                    "name": each.name,
                    "description": each.description,
                    "default": each.default,
                    "when": list(each.when),
                }
                for each in settings
            ],
        }
        for module, settings in found
    ]


def settings_lines(found: Sequence[tuple[ModuleInfo, Sequence[Setting]]], *, width: int) -> Iterator[str]:
    """The settings of each buildpack, as a table."""
    from pybuild.cli.table import table

    for module, settings in found:
        yield f"{printable(str(module))}{f'  {printable(module.name)}' if module.name else ''}"
        rows = [(each.name, each.default or "-", each.description) for each in settings]
        yield from table(rows, header=("SETTING", "DEFAULT", "MEANING"), width=width, indent="  ")
        yield ""
    if not found:
        yield "No buildpack lists its settings."
