"""The settings of `pybuild config` that are lists: trusted builders, mirrors, registries of buildpacks."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybuild.cli.options import CONTEXT, Aliased, console, output_options, unset_option, usual
from pybuild.errors import InvalidInput
from pybuild.platform import config as settings
from pybuild.spec.config import OFFICIAL, REGISTRY_TYPES, Config, IndexRegistry
from pybuild.spec.run_image import RunImageName

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_F = TypeVar("_F", bound="Callable[..., Any]")


def _mirrors_option(text: str) -> Callable[[_F], _F]:
    return click.option("-m", "--mirror", "mirrors", multiple=True, metavar="NAME", help=text)


def _listed(name: str, text: str) -> Callable[[Any], click.Group]:
    """A group that shows its list when no verb is given."""
    return click.group(name, cls=Aliased, context_settings=CONTEXT, invoke_without_command=True, help=text)


@_listed(
    "trusted-builders",
    "List, add and remove builders that are trusted. It changes nothing in how pybuild builds.",
)
@click.pass_context
def trusted_builders(ctx: click.Context) -> None:
    """See `_listed`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(trusted_list)


@trusted_builders.command("list", context_settings=CONTEXT)
@output_options
def trusted_list(**words: Any) -> int:
    """List the builders that are trusted: the known ones and those that were added."""
    from pybuild.platform.trust import KNOWN

    with console(**usual(words)):
        found = settings.load(os.environ)
    print("Trusted Builders:")
    for name in sorted({*KNOWN, *found.trusted_builders}):
        print(f"  {name}")
    return 0


@trusted_builders.command("add", context_settings=CONTEXT)
@click.argument("name")
@output_options
def trusted_add(name: str, **words: Any) -> int:
    """Trust a builder: with a tag that one, without one every tag of it, on its own registry only."""
    from pybuild.platform.trust import is_trusted

    with console(**words) as shown:
        _image_name(name)
        if is_trusted(name, settings.load(os.environ)):
            shown.line(f"Builder '{name}' is already trusted")
            return 0
        settings.change(
            os.environ, lambda config: replace(config, trusted_builders=(*config.trusted_builders, name))
        )
        shown.line(f"Builder '{name}' is now trusted")
    return 0


@trusted_builders.command("remove", context_settings=CONTEXT)
@click.argument("name")
@output_options
def trusted_remove(name: str, **words: Any) -> int:
    """Trust a builder no more."""
    from pybuild.platform.trust import KNOWN

    with console(**words) as shown:
        if name not in settings.load(os.environ).trusted_builders:
            if name in KNOWN:
                raise InvalidInput(f"the builder {name!r} is a known one: it is always trusted")
            shown.line(f"Builder '{name}' wasn't trusted")
            return 0
        settings.change(
            os.environ,
            lambda config: replace(
                config, trusted_builders=tuple(each for each in config.trusted_builders if each != name)
            ),
        )
        shown.line(f"Builder '{name}' is no longer trusted")
    return 0


@_listed(
    "run-image-mirrors", "List, add and remove mirrors of run images, preferred to those that builders name."
)
@click.pass_context
def run_image_mirrors(ctx: click.Context) -> None:
    """See `_listed`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(mirrors_list, image=None)


@run_image_mirrors.command("list", context_settings=CONTEXT)
@click.argument("image", required=False)
@output_options
def mirrors_list(image: str | None, **words: Any) -> int:
    """List the mirrors, of one run image or of all."""
    with console(**usual(words)):
        found = settings.load(os.environ).run_images
    chosen = [each for each in found if image in (None, each.image)]
    if not chosen:
        print(f"No run image mirrors have been set{f' for {image!r}' if image else ''}")
        return 0
    print("Run Image Mirrors:")
    for each in chosen:
        print("\n".join([f"  '{each.image}':", *(f"    {mirror}" for mirror in each.mirrors)]))
    return 0


@run_image_mirrors.command("add", context_settings=CONTEXT)
@click.argument("image")
@_mirrors_option("Where the run image is, too; repeatable.")
@output_options
def mirrors_add(image: str, *, mirrors: tuple[str, ...], **words: Any) -> int:
    """Add mirrors of the run image IMAGE."""
    with console(**words) as shown:
        added = _split(mirrors)
        if not added:
            raise InvalidInput(
                "no mirror is named", hint=f"pybuild config run-image-mirrors add {image} -m NAME"
            )
        for name in (image, *added):
            _image_name(name)

        def edit(config: Config) -> Config:
            every = tuple(sorted({*config.mirrors_of(image), *added}))
            return replace(config, run_images=_with_mirrors(config.run_images, image, every))

        settings.change(os.environ, edit)
        for mirror in added:
            shown.line(f"Run Image '{image}' configured with mirror '{mirror}'")
    return 0


@run_image_mirrors.command("remove", context_settings=CONTEXT)
@click.argument("image")
@_mirrors_option("The mirror to remove; without any, all of them.")
@output_options
def mirrors_remove(image: str, *, mirrors: tuple[str, ...], **words: Any) -> int:
    """Remove mirrors of the run image IMAGE."""
    with console(**words) as shown:
        gone = _split(mirrors)
        if not settings.load(os.environ).mirrors_of(image):
            shown.line(f"No run image mirrors have been set for '{image}'")
            return 0

        def edit(config: Config) -> Config:
            left = tuple(each for each in config.mirrors_of(image) if gone and each not in gone)
            return replace(config, run_images=_with_mirrors(config.run_images, image, left))

        settings.change(os.environ, edit)
        shown.line(
            f"Removed mirrors {', '.join(gone)} for '{image}'"
            if gone
            else f"Removed all run image mirrors for '{image}'"
        )
    return 0


@_listed(
    "registry-mirrors",
    "List, add and remove registries that are asked instead of others when images are pulled.",
)
@click.pass_context
def registry_mirrors(ctx: click.Context) -> None:
    """See `_listed`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(registry_mirrors_list)


@registry_mirrors.command("list", context_settings=CONTEXT)
@output_options
def registry_mirrors_list(**words: Any) -> int:
    """List the mirrors."""
    with console(**usual(words)):
        found = settings.load(os.environ).registry_mirrors
    if not found:
        print("No registry mirrors have been set")
        return 0
    print("Registry Mirrors:")
    for name, mirror in sorted(found.items()):
        print(f"  {name}: '{mirror}'")
    return 0


@registry_mirrors.command("add", context_settings=CONTEXT)
@click.argument("registry")
@click.option("-m", "--mirror", required=True, metavar="HOST[:PORT]", help="The registry to ask instead.")
@output_options
def registry_mirrors_add(registry: str, *, mirror: str, **words: Any) -> int:
    """Ask another registry instead of REGISTRY, or of all with `*`."""
    from pybuild.platform.pull import checked_mirror

    with console(**words) as shown:
        name, host = checked_mirror(registry, mirror)
        settings.change(
            os.environ,
            lambda config: replace(config, registry_mirrors={**config.registry_mirrors, name: host}),
        )
        shown.line(f"Registry '{registry}' configured with mirror '{mirror}'")
    return 0


@registry_mirrors.command("remove", context_settings=CONTEXT)
@click.argument("registry")
@output_options
def registry_mirrors_remove(registry: str, **words: Any) -> int:
    """Ask REGISTRY itself again."""
    with console(**words) as shown:
        if registry not in settings.load(os.environ).registry_mirrors:
            shown.line(f"No registry mirror has been set for '{registry}'")
            return 0

        def edit(config: Config) -> Config:
            left = {name: mirror for name, mirror in config.registry_mirrors.items() if name != registry}
            return replace(config, registry_mirrors=left)

        settings.change(os.environ, edit)
        shown.line(f"Removed mirror for '{registry}'")
    return 0


@_listed(
    "registries", "List, add and remove registries of buildpacks: git repositories with an index of them."
)
@click.pass_context
def registries(ctx: click.Context) -> None:
    """See `_listed`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(registries_list)


@registries.command("list", context_settings=CONTEXT)
@output_options
def registries_list(**words: Any) -> int:
    """List the registries; a star marks the one that is asked when none is named."""
    with console(**usual(words)):
        found = settings.load(os.environ)
    for each in found.all_registries:
        mark = "*" if each == found.registry() else " "
        print(f"{mark} {each.name:<10} {each.url}" if words.get("verbose") else f"{mark} {each.name}")
    return 0


@registries.command("add", context_settings=CONTEXT)
@click.argument("name")
@click.argument("url")
@click.option(
    "--type",
    "kind",
    type=click.Choice(REGISTRY_TYPES),
    default="github",
    show_default=True,
    help="How it is written to.",
)
@click.option("--default", "as_default", is_flag=True, help="Ask this one when none is named.")
@output_options
def registries_add(name: str, url: str, *, kind: str, as_default: bool, **words: Any) -> int:
    """Add the registry NAME, whose index is the git repository at URL."""
    with console(**words) as shown:
        if name == OFFICIAL:
            raise InvalidInput(f"{name!r} is the name of the official registry", hint="choose another name")

        def edit(config: Config) -> Config:
            if any(each.name == name for each in config.registries):
                raise InvalidInput(
                    f"there is a registry {name!r} already", hint=f"pybuild config registries remove {name}"
                )
            added = replace(
                config, registries=(*config.registries, IndexRegistry(name=name, type=kind, url=url))
            )
            return replace(added, default_registry=name) if as_default else added

        settings.change(os.environ, edit)
        shown.line(f"Successfully added '{name}' to registries")
    return 0


@registries.command("remove", context_settings=CONTEXT)
@click.argument("name")
@output_options
def registries_remove(name: str, **words: Any) -> int:
    """Remove the registry NAME."""
    with console(**words) as shown:

        def edit(config: Config) -> Config:
            if not any(each.name == name for each in config.registries):
                raise _no_registry(name, config)
            left = tuple(each for each in config.registries if each.name != name)
            default = "" if config.default_registry == name else config.default_registry
            return replace(config, registries=left, default_registry=default)

        settings.change(os.environ, edit)
        shown.line(f"Successfully removed '{name}' from registries")
    return 0


@registries.command("default", context_settings=CONTEXT)
@click.argument("name", required=False)
@unset_option
@output_options
def registries_default(name: str | None, *, unset: bool, **words: Any) -> int:
    """Show, set or unset the registry that is asked when none is named."""
    with console(**words) as shown:
        if unset or name:

            def edit(config: Config) -> Config:
                if name and config.registry(name) is None:
                    raise _no_registry(name, config)
                return replace(config, default_registry="" if unset else name or "")

            settings.change(os.environ, edit)
            shown.line(f"Successfully set '{OFFICIAL if unset else name}' as the default registry")
            return 0
        found = settings.load(os.environ)
    print(f"The current default registry is '{found.default_registry or OFFICIAL}'")
    return 0


def _split(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for word in words for part in word.split(",") if part)


def _with_mirrors(
    images: Sequence[RunImageName], image: str, mirrors: tuple[str, ...]
) -> tuple[RunImageName, ...]:
    others = [each for each in images if each.image != image]
    return (*others, RunImageName(image=image, mirrors=mirrors)) if mirrors else tuple(others)


def _no_registry(name: str, config: Config) -> InvalidInput:
    known = ", ".join(each.name for each in config.all_registries)
    return InvalidInput(
        f"there is no registry {name!r}; known are {known}", hint="pybuild config registries list"
    )


def _image_name(text: str) -> None:
    from pybuild.oci.reference import Reference

    Reference.parse(text)


GROUPS = (trusted_builders, run_image_mirrors, registry_mirrors, registries)
