"""`pybuild build IMAGE`: source in, image out."""

from __future__ import annotations

import json
import os
import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.console import human_size, human_time
from pybuild.cli.options import console, insecure_registry_option, output_options
from pybuild.cli.table import NO_BREAK, table
from pybuild.cli.trail import groups_of, next_step, trail_lines

if TYPE_CHECKING:
    from pybuild.cli.console import Console
    from pybuild.errors import NothingDetected
    from pybuild.platform.build import BuildResult
    from pybuild.platform.outputs import Delivered
    from pybuild.spec.launch import Process


def source_options(function: Any) -> Any:
    """What to build, with which builder and buildpacks: shared by `build` and `detect`."""
    for option in (
        click.option(
            "--timeout",
            type=click.FloatRange(min=0),
            default=0,
            metavar="SECONDS",
            help="Give up when the build container needs longer; 0: no limit.",
        ),
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
    epilog="Examples:  pybuild myapp   |   pybuild build myapp --path ./web --env BP_PHP_WEB_DIR=public"
    "   |   pybuild build myapp -o type=docker -o type=oci-archive,dest=myapp.tar",
)
@click.argument("image")
@source_options
@click.option("-t", "--tag", "tags", multiple=True, metavar="NAME", help="A further name for the image.")
@click.option("-D", "--default-process", default="", metavar="TYPE", help="Process that the image starts.")
@click.option(
    "--creation-time", metavar="TIME", help="Seconds since 1970, or `now`; default: a constant, 1980."
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="type=TYPE[,dest=WHERE]",
    help="Where the image goes: `docker` (default), `registry`, `oci` (a folder), `oci-archive`, `docker-archive`; repeatable.",
)
@click.option("--publish", is_flag=True, help="Short for `--output type=registry`.")
@insecure_registry_option
@click.option(
    "--cache",
    "caches",
    multiple=True,
    metavar="FIELDS",
    help="Where layers are kept: 'type=build;format=bind;source=FOLDER', 'format=image;name=IMAGE' or 'format=volume;name=NAME'.",
)
@click.option(
    "--cache-image",
    metavar="IMAGE",
    help="Keep layers in this image in a registry, for machines that keep nothing.",
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
    outputs: tuple[str, ...],
    publish: bool,
    insecure_registries: tuple[str, ...],
    caches: tuple[str, ...],
    cache_image: str | None,
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
        from pybuild.errors import NothingDetected
        from pybuild.platform.build import build
        from pybuild.platform.request import build_request

        request = build_request(
            image,
            tags=tags,
            default_process=default_process,
            creation_time=creation_time,
            caches=caches,
            cache_image=cache_image,
            clear_cache=clear_cache,
            outputs=outputs,
            publish=publish,
            insecure_registries=insecure_registries,
            caller=os.environ,
            **source,
        )
        try:
            result = build(request)
        except NothingDetected as exc:
            _show_trail(shown, exc)
            exc.hint = next_step(exc, request.path, image)
            raise
        _show(shown, result)
    if as_json:
        sys.stdout.write(json.dumps(_as_data(result, shown.timings), indent=2) + "\n")
    elif quiet:
        sys.stdout.write(f"{result.image_id}\n")
    return 0


def _show_trail(shown: Console, failure: NothingDetected) -> None:
    """The table of `pybuild detect`, where a build ends for want of a group."""
    shown.line("")
    for line in trail_lines(groups_of(failure), width=shown.width):
        shown.line(line)


def _show(shown: Console, result: BuildResult) -> None:
    """The end of a build: what it is, what was reused, how long it took, what to type next."""
    name = result.names[0]
    shown.line("")
    done = "published" if result.outputs[0].output.kind == "registry" else "built"
    shown.line(f"Successfully {done} image '{name}'", style="32")
    made = (
        f"{result.reused} of {result.reused + result.added} layers reused"
        if result.reused
        else "all layers new"
    )
    rows = [("size", _size(result))]
    if result.digest:
        rows.append(("digest", result.digest))
    if len(result.outputs) > 1 or result.outputs[0].output.dest:
        rows.extend(("in", _place(each)) for each in result.outputs)
    rows.append(
        ("layers", "nothing changed" if not result.changed else f"{made}, {human_size(result.sent)} sent")
    )
    for process in result.processes:
        mark = " (default)" if process.type == result.default_process else ""
        rows.append(("process", f"{process.type}{mark}: {_one_line(process, shown.width)}"))
    timings = {"preparing": result.seconds - sum(shown.timings.values()), **shown.timings}
    took = ", ".join(
        f"{phase.lower()} {human_time(seconds)}".replace(" ", NO_BREAK) for phase, seconds in timings.items()
    )
    rows.append(("time", f"{human_time(result.seconds)} ({took})"))
    for line in table(rows, width=shown.width, indent="  "):
        shown.line(line)
    shown.line("")
    shown.line(f"Run it:  {result.run_command}")


def _place(each: Delivered) -> str:
    names = ", ".join(map(str, each.output.names))
    named = f" as {names}" if each.output.dest else ""
    return f"{each.output.where}{named} ({human_size(each.sent) + ' sent' if each.changed else 'unchanged'})"


def _size(result: BuildResult) -> str:
    if not 0 < result.base_size <= result.size:
        return human_size(result.size)
    above = human_size(result.size - result.base_size)
    return f"{human_size(result.size)}, {above} of it above the run image {result.run_image}"


def _one_line(process: Process, width: int) -> str:
    """The command as a shell would take it; scripts of many lines are cut after the first words."""
    words = shlex.join([*process.command, *(process.args or ())])
    return textwrap.shorten(words, max(width - 20 - len(process.type), 30), placeholder=" …")


def _as_data(result: BuildResult, timings: dict[str, float]) -> dict[str, Any]:
    return {
        "image": result.names[0],
        "names": list(result.names),
        "image_id": result.image_id,
        "digest": result.digest or None,
        "changed": result.changed,
        "size_bytes": result.size,
        "above_run_image_bytes": max(result.size - result.base_size, 0) if result.base_size else None,
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
        "outputs": [
            {
                "type": each.output.kind,
                "dest": each.output.dest or None,
                "names": list(map(str, each.output.names)),
                "image_id": each.image_id,
                "digest": each.digest or None,
                "changed": each.changed,
                "size_bytes": each.size,
                "sent_bytes": each.sent,
            }
            for each in result.outputs
        ],
        "seconds": round(result.seconds, 3),
        "phases": {phase.lower(): round(seconds, 3) for phase, seconds in timings.items()},
    }
