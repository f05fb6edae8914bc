"""What commands share: their settings for click, groups of them, single options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""What every command says to click."""


class Aliased(click.Group):
    """A group of commands that some people know by other names. `aliases`: from those to ours."""

    def __init__(self, *args: Any, aliases: Mapping[str, str] | None = None, **words: Any) -> None:
        super().__init__(*args, **words)
        self._aliases = aliases or {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group`."""
        return super().get_command(ctx, self._aliases.get(cmd_name, cmd_name))


def listed(name: str, text: str) -> Callable[[Any], click.Group]:
    """A group of commands that shows its list when none of them is given."""
    return click.group(name, cls=Aliased, context_settings=CONTEXT, invoke_without_command=True, help=text)


unset_option = click.option("-u", "--unset", is_flag=True, help="Take the setting back.")

insecure_registry_option = click.option(
    "--insecure-registry",
    "insecure_registries",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Registry whose certificate is not checked, or that has none.",
)
