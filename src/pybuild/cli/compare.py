"""`pybuild compare A B`: what differs between two images; `pybuild compare --build PATH`: between two tools."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pybuild.cli.options import insecure_registry_option
from pybuild.cli.show import page
from pybuild.cli.show.display import Display, output_options
from pybuild.errors import PybuildError

if TYPE_CHECKING:
    from pybuild.platform.images.compare import Comparison
    from pybuild.platform.images.compare_build import BuildComparison

_TROUBLE = 2  # as diff and cmp have it: 1 only ever says that something differs


@click.command(
    "compare",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Examples:  pybuild compare myapp:1 myapp:2   |   pybuild compare myapp registry:example.com/myapp --json"
    "   |   pybuild compare --build . --builder my/builder",
)
@click.argument("images", nargs=-1, metavar="[A B]")
@click.option("--all-layers", is_flag=True, help="Look into every layer that differs, not only the first.")
@insecure_registry_option
@click.option(
    "--build",
    "app",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Build this app with pybuild and with pack (from PATH or the variable PACK), twice each.",
)
@click.option("-B", "--builder", metavar="IMAGE", help="With --build: the builder that both use.")
@click.option("--keep", is_flag=True, help="With --build: keep the images and caches that were made.")
@click.option(
    "--html",
    "html_page",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the result into this HTML page, too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@output_options
def command(
    images: tuple[str, ...],
    *,
    all_layers: bool,
    insecure_registries: tuple[str, ...],
    app: Path | None,
    builder: str | None,
    keep: bool,
    html_page: Path | None,
    as_json: bool,
    display: Display,
) -> int:
    """Show what differs between the images A and B: base, layers, files, configuration, labels, SBOM.

    An image is NAME or docker:NAME in the engine, registry:NAME in its registry, oci:FOLDER[:TAG],
    oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME]. The files of the first layer that differs are compared, of all
    with --all-layers; -v leaves nothing out of the table, -q prints nothing at all.

    Exit code: 0 they are the same, 1 they differ, more than 1 they could not be compared.
    """
    _check_words(images, app, builder, keep=keep)
    with display.console():
        try:
            if html_page is not None:
                page.check_writable("--html", html_page)
            if app is not None:
                result: Comparison | BuildComparison = _built(
                    app, builder or "", keep=keep, all_layers=all_layers
                )
            else:
                from pybuild.platform.images.compare_stored import compare

                result = compare(
                    *images, environ=os.environ, all_layers=all_layers, insecure=insecure_registries
                )
        except PybuildError as exc:
            exc.exit_code = max(exc.exit_code, _TROUBLE)
            raise
    if html_page is not None:
        from pybuild.cli.show.compare_page import compare_page

        page.write(html_page, compare_page(result))
    _print(result, display, as_json=as_json)
    return 0 if result.same else 1


def _check_words(images: tuple[str, ...], app: Path | None, builder: str | None, *, keep: bool) -> None:
    """Raise `click.UsageError` for words that do not go together."""
    if app is not None and images:
        raise click.UsageError("--build makes its own images: leave out A and B")
    if app is None and len(images) != 2:
        raise click.UsageError(f"expected two images, found {len(images)}")
    if app is None and (builder or keep):
        raise click.UsageError("--builder and --keep are for --build")


def _built(app: Path, builder: str, *, keep: bool, all_layers: bool) -> BuildComparison:
    from pybuild.platform.images.compare_build import compare_builds

    return compare_builds(app, builder, environ=os.environ, keep=keep, all_layers=all_layers)


def _print(result: Comparison | BuildComparison, display: Display, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(result.as_json(), indent=2) + "\n")
    elif not display.quiet:
        from pybuild.cli.show.compare_table import lines_of
        from pybuild.cli.show.table import line_width

        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # names in an image are of any alphabet
        colour = display.coloured(sys.stdout)
        for line in lines_of(result, width=line_width(), everything=display.verbose, colour=colour):
            print(line)
