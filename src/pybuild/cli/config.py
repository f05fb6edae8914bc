"""`pybuild config`: the settings that hold for all builds, shown, set and taken back.

Lists go to standard output; what was changed is told on standard error, in `pack`'s words where it has any.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli import config_lists, config_mirrors
from pybuild.cli.options import CONTEXT, Aliased, unset_option
from pybuild.cli.show.display import Display, output_options
from pybuild.errors import InvalidInput
from pybuild.platform import config as settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pybuild.spec.config import Config


@click.group(
    "config",
    cls=Aliased,
    aliases={
        "trusted-builder": "trusted-builders",
        "trust-builder": "trusted-builders",
        "trust-builders": "trusted-builders",
        "registry-mirror": "registry-mirrors",
        "registry": "registries",
    },
    context_settings=CONTEXT,
    invoke_without_command=True,
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show and change the settings that hold for all builds, kept in a file of this user's.

    The file has the keys of `pack`'s own; `pybuild config import-pack` takes that one over.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(show)


@command.command("show", context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="Print the settings as JSON.")
@output_options
def show(*, as_json: bool = False, display: Display) -> int:
    """Show all settings, and where they are kept."""
    with display.console() as shown:
        found = settings.load(os.environ)
        shown.line(f"# {settings.config_path(os.environ)}")
    if as_json:
        sys.stdout.write(json.dumps(_as_data(found), indent=2) + "\n")
    else:
        sys.stdout.write(found.write().decode())
    return 0


@command.command("import-pack", context_settings=CONTEXT)
@output_options
def import_pack(*, display: Display) -> int:
    """Take over the settings of `pack`, as far as they are not set here."""
    with display.console() as shown:
        settings.import_pack(os.environ)
        shown.line(f"Settings of {settings.pack_config_path(os.environ)} taken over")
    return 0


@command.command("default-builder", context_settings=CONTEXT)
@click.argument("name", required=False)
@unset_option
@output_options
def default_builder(name: str | None, *, unset: bool, display: Display) -> int:
    """Show, set or unset the builder of apps that name none; without one it is pybuild's own."""
    return _one(
        "default_builder",
        name,
        unset=unset,
        display=display,
        check=_image_name,
        texts=(
            "The current default builder is '{}'",
            "No default builder is set: builds take pybuild's own",
            "Builder '{}' is now the default builder",
            "Successfully unset default builder '{}'",
            "No default builder was set",
        ),
    )


@command.command("lifecycle-image", context_settings=CONTEXT)
@click.argument("name", required=False)
@unset_option
@output_options
def lifecycle_image(name: str | None, *, unset: bool, display: Display) -> int:
    """Show, set or unset the lifecycle image. Builds need none: pybuild is the lifecycle. Kept for `pack`."""
    return _one(
        "lifecycle_image",
        name,
        unset=unset,
        display=display,
        check=_image_name,
        texts=(
            "The current lifecycle image is '{}'",
            "No lifecycle image is set",
            "Image '{}' will now be used as the lifecycle image",
            "Successfully unset custom lifecycle image '{}'",
            "No custom lifecycle image was set.",
        ),
    )


@command.command("pull-policy", context_settings=CONTEXT)
@click.argument("policy", required=False)
@unset_option
@output_options
def pull_policy(policy: str | None, *, unset: bool, display: Display) -> int:
    """Show, set or unset when registries are asked for builders and run images: always, if-not-present, never, hourly,
    daily, weekly or interval=…, such as interval=12h.
    """
    from pybuild.platform.pull import DEFAULT_POLICY, checked_policy

    return _one(
        "pull_policy",
        policy,
        unset=unset,
        display=display,
        check=checked_policy,
        texts=(
            "The current pull policy is '{}'",
            f"The current pull policy is '{DEFAULT_POLICY}'",
            "Successfully set '{}' as the pull policy",
            "Successfully unset pull policy '{}'",
            "No pull policy was set",
        ),
    )


@command.command("experimental", context_settings=CONTEXT)
@click.argument("value", required=False, type=click.Choice(["true", "false"]))
@output_options
def experimental(value: str | None, *, display: Display) -> int:
    """Show or set `experimental`. Nothing of pybuild waits for it; `pack` keeps some of its commands behind it."""
    with display.console() as shown:
        if value is None:
            state = "are" if settings.load(os.environ).experimental else "aren't currently"
            print(f"Experimental features {state} enabled")
            return 0
        settings.change(os.environ, lambda config: replace(config, experimental=value == "true"))
        shown.line(f"Experimental features {'enabled!' if value == 'true' else 'disabled'}")
    return 0


def _one(
    key: str,
    value: str | None,
    *,
    unset: bool,
    display: Display,
    check: Callable[[str], object],
    texts: Sequence[str],
) -> int:
    """Show, set or unset one setting. `texts`: it is …, it is not set, it was set, it was unset, there was none."""
    is_set, is_unset, was_set, was_unset, was_none = texts
    if unset and value is not None:
        raise InvalidInput(f"{value!r} and --unset are two things", hint="leave one of them out")
    with display.console() as shown:
        before = getattr(settings.load(os.environ), key)
        if value is None and not unset:
            print((is_set if before else is_unset).format(before))
            return 0
        if value is not None:
            check(value)
        changed: Any = {key: value or ""}
        settings.change(os.environ, lambda config: replace(config, **changed))
        shown.line((was_set if value else was_unset if before else was_none).format(value or before))
    return 0


def _image_name(text: str) -> None:
    from pybuild.oci.reference import Reference

    Reference.parse(text)


def _as_data(config: Config) -> dict[str, Any]:
    from pybuild.spec import toml

    return dict(toml.load(config.write(), file="config").raw())


for each in (*config_lists.GROUPS, *config_mirrors.GROUPS):
    command.add_command(each)
