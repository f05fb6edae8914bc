"""The settings of `pybuild config` that are lists: trusted builders, and registries of buildpacks."""

from __future__ import annotations

import os
from dataclasses import replace

import click

from pybuild.cli.options import CONTEXT, listed, unset_option
from pybuild.cli.show.display import Display, output_options
from pybuild.errors import InvalidInput
from pybuild.oci.reference import Reference
from pybuild.platform import config as settings
from pybuild.spec.config import OFFICIAL, REGISTRY_TYPES, Config, IndexRegistry


@listed(
    "trusted-builders",
    "List, add and remove builders that are trusted. It changes nothing in how pybuild builds.",
)
@click.pass_context
def trusted_builders(ctx: click.Context) -> None:
    """See `listed`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(trusted_list)


@trusted_builders.command("list", context_settings=CONTEXT)
@output_options
def trusted_list(*, display: Display) -> int:
    """List the builders that are trusted: the known ones and those that were added."""
    from pybuild.platform.trust import KNOWN

    with display.console():
        found = settings.load(os.environ)
    print("Trusted Builders:")
    for name in sorted({*KNOWN, *found.trusted_builders}):
        print(f"  {name}")
    return 0


@trusted_builders.command("add", context_settings=CONTEXT)
@click.argument("name")
@output_options
def trusted_add(name: str, *, display: Display) -> int:
    """Trust a builder: with a tag that one, without one every tag of it, on its own registry only."""
    from pybuild.platform.trust import is_trusted

    with display.console() as shown:
        Reference.parse(name)
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
def trusted_remove(name: str, *, display: Display) -> int:
    """Trust a builder no more."""
    from pybuild.platform.trust import KNOWN

    with display.console() as shown:
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


@listed(
    "registries", "List, add and remove registries of buildpacks: git repositories with an index of them."
)
@click.pass_context
def registries(ctx: click.Context) -> None:
    """See `listed`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(registries_list)


@registries.command("list", context_settings=CONTEXT)
@output_options
def registries_list(*, display: Display) -> int:
    """List the registries; a star marks the one that is asked when none is named."""
    with display.console():
        found = settings.load(os.environ)
    for each in found.all_registries:
        mark = "*" if each == found.registry() else " "
        print(f"{mark} {each.name:<10} {each.url}" if display.verbose else f"{mark} {each.name}")
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
def registries_add(name: str, url: str, *, kind: str, as_default: bool, display: Display) -> int:
    """Add the registry NAME, whose index is the git repository at URL."""
    with display.console() as shown:
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
def registries_remove(name: str, *, display: Display) -> int:
    """Remove the registry NAME."""
    with display.console() as shown:

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
def registries_default(name: str | None, *, unset: bool, display: Display) -> int:
    """Show, set or unset the registry that is asked when none is named."""
    with display.console() as shown:
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


def _no_registry(name: str, config: Config) -> InvalidInput:
    known = ", ".join(each.name for each in config.all_registries)
    return InvalidInput(
        f"there is no registry {name!r}; known are {known}", hint="pybuild config registries list"
    )


GROUPS = (trusted_builders, registries)
