"""`pybuild build IMAGE`: source in, image out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.options import console, output_options

if TYPE_CHECKING:
    from pybuild.cli.console import Console
    from pybuild.platform.build import BuildResult


def source_options(function: Any) -> Any:
    """What to build, with which builder and buildpacks: shared by `build` and `detect`."""
    for option in (
        click.option(
            "--pull-policy",
            type=click.Choice(["always", "if-not-present", "never"]),
            default="if-not-present",
            show_default=True,
            help="When to ask a registry for builder and run image.",
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
            "--network", metavar="NAME", help="Network of the build container; `none` for no network."
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
    epilog="Examples:  pybuild myapp   |   pybuild build myapp --path ./web --env BP_PHP_WEB_DIR=public",
)
@click.argument("image")
@source_options
@click.option("-t", "--tag", "tags", multiple=True, metavar="NAME", help="A further name for the image.")
@click.option("-D", "--default-process", default="", metavar="TYPE", help="Process that the image starts.")
@click.option(
    "--creation-time", metavar="TIME", help="Seconds since 1970, or `now`; default: a constant, 1980."
)
@click.option("--clear-cache", is_flag=True, help="Forget what earlier builds kept.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@output_options
def command(
    image: str,
    *,
    tags: tuple[str, ...],
    default_process: str,
    creation_time: str | None,
    clear_cache: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    no_color: bool,
    timestamps: bool,
    **source: Any,
) -> int:
    """Turn the source in a folder into the runnable image IMAGE."""
    with console(quiet=quiet, verbose=verbose, no_color=no_color, timestamps=timestamps) as shown:
        from pybuild.platform.build import build
        from pybuild.platform.request import build_request

        request = build_request(
            image,
            tags=tags,
            default_process=default_process,
            creation_time=creation_time,
            clear_cache=clear_cache,
            caller=os.environ,
            **source,
        )
        result = build(request)
        _show(shown, result)
    if as_json:
        sys.stdout.write(json.dumps(_as_data(result, shown.timings), indent=2) + "\n")
    elif quiet:
        sys.stdout.write(f"{result.names[0]}@{result.image_id}\n")
    return 0


def _show(shown: Console, result: BuildResult) -> None:
    """The end of a build: what it is, what was reused, how long it took, what to type next."""
    from pybuild.cli.console import human_size, human_time

    name = result.names[0]
    shown.line("")
    shown.line(f"Successfully built image '{name}'", style="32")
    made = (
        f"{result.reused} of {result.reused + result.added} layers reused"
        if result.reused
        else "all layers new"
    )
    what = "nothing changed" if not result.changed else made
    shown.line(f"  size       {human_size(result.size)} ({what}, {human_size(result.sent)} sent)")
    for process in result.processes:
        mark = " (default)" if process.type == result.default_process else ""
        words = " ".join([*process.command, *(process.args or ())])
        shown.line(f"  process    {process.type}{mark}: {words[:70]}")
    took = ", ".join(f"{phase.lower()} {human_time(seconds)}" for phase, seconds in shown.timings.items())
    shown.line(f"  time       {human_time(result.seconds)} ({took})")
    shown.line("")
    shown.line(f"Run it:  {result.run_command}")


def _as_data(result: BuildResult, timings: dict[str, float]) -> dict[str, Any]:
    return {
        "image": result.names[0],
        "names": list(result.names),
        "image_id": result.image_id,
        "changed": result.changed,
        "size_bytes": result.size,
        "sent_bytes": result.sent,
        "layers": {"reused": result.reused, "added": result.added},
        "buildpacks": [{"id": item.id, "version": item.version} for item in result.buildpacks],
        "processes": [
            {
                "type": process.type,
                "command": list(process.command),
                "args": list(process.args or ()),
                "default": process.type == result.default_process,
            }
            for process in result.processes
        ],
        "builder": result.builder,
        "run_image": result.run_image,
        "seconds": round(result.seconds, 3),
        "phases": {phase.lower(): round(seconds, 3) for phase, seconds in timings.items()},
    }
