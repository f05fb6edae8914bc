"""`--on-failure` and `pybuild debug`: into a build that failed, with the variables of the buildpack that did."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from pybuild import events
from pybuild.cli.show.display import Display, output_options
from pybuild.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from pybuild.platform.failed import FailedBuild

on_failure_option = click.option(
    "--on-failure",
    type=click.Choice(["remove", "shell", "keep"]),
    default="remove",
    show_default=True,
    help="When a buildpack fails: `shell` opens one in its container, `keep` keeps that for `pybuild debug`.",
)


@click.command(
    "debug",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Examples:  pybuild debug   |   pybuild debug myapp -- /tmp/again   |   pybuild debug myapp --rm",
)
@click.argument("image", required=False, default="")
@click.argument("words", nargs=-1, metavar="[-- COMMAND…]")
@click.option("--rm", "remove", is_flag=True, help="Remove the failed build; with a COMMAND, after it.")
@output_options
def command(
    image: str,
    words: tuple[str, ...],
    *,
    remove: bool,
    display: Display,
) -> int:
    """Open a shell in the failed build of IMAGE that `--on-failure keep` kept, or run COMMAND there.

    Without IMAGE it is the newest one. Variables and directory are those of the buildpack that failed; /tmp/again runs
    it once more. The next build of IMAGE removes it.
    """
    with display.console():
        from pybuild import engine
        from pybuild.cli.terminal import enter
        from pybuild.platform.failed import entering, kept_build
        from pybuild.platform.volumes import remove_kept

        with engine.connect() as client:
            build = kept_build(client, image)
            code = 0
            if words or not remove:
                if not words:
                    _check_terminal(
                        "a shell", f"pybuild debug {build.image.removesuffix(':latest')} -- COMMAND"
                    )
                code = enter(client, build.container, entering(words), user=build.user)
            if remove:
                remove_kept(client, build.container)
    return code


def chosen_handler(choice: str) -> Callable[[FailedBuild], None] | None:
    """What is done with a failed build. Raises `InvalidInput` for a shell where there is no terminal."""
    if choice == "shell":
        _check_terminal("--on-failure shell", "--on-failure keep, then: pybuild debug")
    chosen: dict[str, Any] = {"shell": _shell, "keep": _keep}
    found: Callable[[FailedBuild], None] | None = chosen.get(choice)
    return found


def _shell(failed: FailedBuild) -> None:
    from pybuild.cli.terminal import enter
    from pybuild.platform.failed import AGAIN, entering

    events.info(
        f"The build failed; this is a shell in its container. {AGAIN} runs the buildpack again, exit ends it."
    )
    enter(failed.client, failed.container, entering(()), user=failed.user)


def _keep(failed: FailedBuild) -> None:
    from pybuild.platform.failed import keep

    keep(failed)
    events.info(
        f"The failed build is kept; look into it: pybuild debug {failed.image.removesuffix(':latest')}"
    )


def _check_terminal(what: str, hint: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidInput(f"{what} needs a terminal, and there is none", hint=hint)
