"""`pybuild build IMAGE`: source in, image out."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.build_options import (
    cache_options,
    image_options,
    limit_options,
    place_options,
    source_choice_options,
)
from pybuild.cli.debug import chosen_handler, on_failure_option
from pybuild.cli.file_list import list_files
from pybuild.cli.id_files import id_files
from pybuild.cli.pack.options import choice_options, previous_image_option, report_option, sbom_option
from pybuild.cli.show import page
from pybuild.cli.show.built import built_data, show_built
from pybuild.cli.show.display import Display, output_options
from pybuild.cli.show.trail import failure_data, groups_of, next_step, trail_lines
from pybuild.cli.show.why import Decisions
from pybuild.events import listening

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pybuild.cli.show.console import Console
    from pybuild.cli.show.json_log import JsonLog


def source_options(function: Any) -> Any:
    """What to build, with which builder and buildpacks: shared by `build` and `detect`."""
    function = choice_options(source_choice_options(limit_options(function)))
    for option in (
        click.option(
            "--log-limit",
            metavar="SIZE",
            help="Give up when the build's programs have written more than this; default 1g, 0: no limit.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0),
            default=0,
            metavar="SECONDS",
            help="Give up when the build container needs longer; 0: no limit.",
        ),
        click.option(
            "--pull-policy",
            metavar="WHEN",
            help="When to ask a registry for builder and run image: always, if-not-present (default), never, hourly,"
            " daily, weekly, or interval=… such as interval=12h.",
        ),
        click.option(
            "--workspace", metavar="PATH", help="Where the app lives in the image, such as /var/www."
        ),
        click.option(
            "-d", "--descriptor", type=click.Path(path_type=Path), help="Project file; default project.toml."
        ),
        click.option(
            "--run-image", metavar="IMAGE", help="Image to build on, instead of the builder's choice."
        ),
        click.option(
            "--network",
            metavar="NAME",
            help="Network of the build container; `none` for no network: then what an earlier build knew will do.",
        ),
        click.option(
            "--volume",
            "volumes",
            multiple=True,
            metavar="HOST:PATH[:ro|rw]",
            help="Mount a folder or volume into the build; read-only unless :rw.",
        ),
        click.option(
            "--env-file",
            "env_files",
            multiple=True,
            type=click.Path(path_type=Path),
            help="File of NAME=value lines.",
        ),
        click.option(
            "-e", "--env", "env", multiple=True, metavar="NAME[=VALUE]", help="Variable for the build only."
        ),
        click.option(
            "-b",
            "--buildpack",
            "buildpacks",
            multiple=True,
            metavar="WHAT",
            help="Use this instead of the builder's order: a folder, an archive, or id[@version] in the builder.",
        ),
        click.option(
            "-B", "--builder", metavar="IMAGE", help="Builder image; default: the one pybuild makes."
        ),
        click.option(
            "-p",
            "--path",
            type=click.Path(path_type=Path),
            default=Path(),
            help="Folder or zip of the app; default here.",
        ),
    ):
        function = option(function)
    return function


@click.command(
    "build",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Examples:  pybuild myapp   |   pybuild build myapp --path ./web --env BP_PHP_WEB_DIR=public"
    "   |   pybuild build myapp -o type=docker -o type=oci-archive,dest=myapp.tar",
)
@click.argument("image")
@source_options
@click.option("-t", "--tag", "tags", multiple=True, metavar="NAME", help="A further name for the image.")
@previous_image_option
@report_option
@sbom_option
@click.option("-D", "--default-process", default="", metavar="TYPE", help="Process that the image starts.")
@image_options
@cache_options
@on_failure_option
@place_options
@click.option(
    "--list-files",
    "only_list",
    is_flag=True,
    help="Print which of the app's files would be sent; build nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@output_options
def command(
    image: str,
    *,
    tags: tuple[str, ...],
    default_process: str,
    on_failure: str,
    only_list: bool,
    explain_cache: bool,
    require_cached: bool,
    iidfile: Path | None,
    digest_file: Path | None,
    report_page: Path | None,
    as_json: bool,
    display: Display,
    **words: Any,
) -> int:
    """Turn the source in a folder into the runnable image IMAGE."""
    with display.console() as shown:
        from pybuild.errors import NothingDetected
        from pybuild.platform import config
        from pybuild.platform.build import build
        from pybuild.platform.request import build_request

        request = build_request(
            image,
            tags=tags,
            default_process=default_process,
            config=config.load(os.environ),
            caller=os.environ,
            **words,
        )
        if only_list:
            list_files(request, as_json=as_json)
            return 0
        decisions, handler = Decisions(), chosen_handler(on_failure)
        files = id_files(iidfile, digest_file, request.places)
        heard = None
        if report_page is not None:
            from pybuild.cli.show.build_page import Times

            page.check_writable("--report", report_page)
            heard = Times()
        try:
            with listening(decisions), listening(heard) if heard else nullcontext():
                result = build(request, failed=handler)
        except NothingDetected as exc:
            # What `pybuild detect` shows, where a build ends for want of a group.
            exc.hint = next_step(exc, request.path, image)
            show_lines(shown, trail_lines(groups_of(exc), width=shown.width))
            if as_json:
                sys.stdout.write(json.dumps(failure_data(exc), indent=2) + "\n")
            raise
        files.write(result)
        if report_page is not None and heard is not None:
            from pybuild.cli.show.build_page import build_page

            page.write(report_page, build_page(result, shown.timings, heard, decisions))
        if explain_cache:
            show_lines(shown, decisions.lines(width=shown.width))
        show_built(shown, result)
        if as_json:
            sys.stdout.write(json.dumps(built_data(result, shown.timings, decisions), indent=2) + "\n")
        elif display.quiet:
            sys.stdout.write(f"{result.image_id}\n")
        if require_cached:
            decisions.check([element.id for element in result.buildpacks])
    return 0


def show_lines(shown: Console | JsonLog, lines: Iterable[str]) -> None:
    """A table beside the events, after an empty line."""
    shown.line("")
    for line in lines:
        shown.line(line)
