"""What `pybuild builder inspect` prints: for people as pack prints it, and as data with pack's keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild.cli.show.console import printable
from pybuild.cli.show.module_text import NONE, columns, module_table, order_tree, step_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.errors import PybuildError
    from pybuild.platform.builders.builder_inspect import Apis, BuilderInfo, ModuleInfo, Setting
    from pybuild.spec.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A builder as its registry and the engine have it: None where there is none, or where an error stands."""

    name: str
    default: bool
    trusted: bool
    remote: BuilderInfo | None
    local: BuilderInfo | None
    remote_error: PybuildError | None
    local_error: PybuildError | None
    config: Config

    def lines(self, *, mixins: bool) -> Iterator[str]:
        """For people."""
        yield f"Inspecting {'default ' if self.default else ''}builder: '{self.name}'"
        for title, info, error in (
            ("REMOTE", self.remote, self.remote_error),
            ("LOCAL", self.local, self.local_error),
        ):
            yield from ("", f"{title}:")
            if error is not None:
                yield f"ERROR: {printable(str(error))}"
            elif info is None:
                yield "(not present)"
            else:
                yield from _lines(info, self, mixins=mixins)

    def data(self, form: str, *, mixins: bool) -> dict[str, Any]:
        """For programs, in one of the formats of `structured.write`: keys and their differences as pack has them."""
        about = {"builder_name": self.name, "trusted": self.trusted, "default": self.default}
        infos = {
            key: _data(info, self, form, mixins=mixins)
            for key, info in (("remote_info", self.remote), ("local_info", self.local))
        }
        return {**({"sharedbuilderinfo": about} if form == "yaml" else about), **infos}

    def warnings(self) -> Iterator[str]:
        """What users of the builder have to do themselves."""
        for info in (self.remote, self.local):
            yield from _warnings(info, self.name) if info else ()

    def run_images(self, info: BuilderInfo) -> Iterator[tuple[str, bool]]:
        """The names of the builder's run images; the user's own mirrors, which come first, with True."""
        for each in info.run_images:
            yield from ((name, True) for name in self.config.mirrors_of(each.image))
        for each in info.run_images:
            yield from ((name, False) for name in (each.image, *each.mirrors) if name)


def _lines(info: BuilderInfo, about: Shown, *, mixins: bool) -> Iterator[str]:
    yield ""
    if info.description:
        yield from (f"Description: {printable(info.description)}", "")
    if info.created_by[0]:
        name, version = map(printable, info.created_by)
        yield from ("Created By:", f"  Name: {name}", f"  Version: {version}", "")
    yield from (f"Trusted: {'Yes' if about.trusted else 'No'}", "")
    if info.stack:
        yield from ("Stack:", f"  ID: {printable(info.stack)}")
    if mixins and info.mixins:
        yield from ("  Mixins:", *(f"    {printable(each)}" for each in info.mixins))
    yield from ("", "Lifecycle:", f"  Version: {printable(info.lifecycle) or '(none)'}")
    for title, apis in (("Buildpack", info.buildpack_apis), ("Platform", info.platform_apis)):
        yield f"  {title} APIs:"
        yield f"    Deprecated: {', '.join(apis.deprecated) or '(none)'}"
        yield f"    Supported: {', '.join(apis.supported) or '(none)'}"
    yield from ("", "Run Images:")
    images = [(f"  {name}", "(user-configured)" if own else "") for name, own in about.run_images(info)]
    yield from columns(images, gap=4) or [NONE]
    yield from ("", "Buildpacks:", *module_table(info.buildpacks))
    yield from ("", "Detection Order:", *order_tree(info.order))
    if info.extensions:
        yield from ("", "Extensions:", *module_table(info.extensions))
        yield from ("", "Detection Order (Extensions):", *order_tree(info.order_extensions))


def _warnings(info: BuilderInfo, name: str) -> Iterator[str]:
    """What users of the builder have to do themselves."""
    if not info.run_images:
        yield f"{name} does not specify a run image: users must build with an explicitly specified run image"
    if not info.buildpacks:
        yield f"{name} has no buildpacks: users must supply buildpacks from the host machine"
    elif not info.order:
        yield f"{name} has no detection order: users must build with explicitly specified buildpacks"
    if not info.lifecycle:
        yield f"{name} does not specify a Lifecycle version"


def _data(info: BuilderInfo | None, about: Shown, form: str, *, mixins: bool) -> dict[str, Any] | None:
    """The object `local_info` or `remote_info`."""
    if info is None:
        return None
    found: dict[str, Any] = {"description": info.description} if info.description else {}
    keys = ("Name", "Version") if form == "toml" else ("name", "version")
    found["created_by"] = dict(zip(keys, info.created_by, strict=True))
    if info.stack:
        shown = mixins and info.mixins
        found["stack"] = {"id": info.stack, **({"mixins": list(info.mixins)} if shown else {})}
    found["lifecycle"] = {
        "version": info.lifecycle or None,
        "buildpack_apis": _apis(info.buildpack_apis),
        "platform_apis": _apis(info.platform_apis),
    }
    found["run_images"] = [
        {"name": name, "user_configured": True} if own else {"name": name}
        for name, own in about.run_images(info)
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
    from pybuild.cli.show.table import table

    for module, settings in found:
        yield f"{printable(str(module))}{f'  {printable(module.name)}' if module.name else ''}"
        rows = [(each.name, each.default or "-", each.description) for each in settings]
        yield from table(rows, header=("SETTING", "DEFAULT", "MEANING"), width=width, indent="  ")
        yield ""
    if not found:
        yield "No buildpack lists its settings."
