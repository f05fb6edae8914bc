"""`pybuild sbom IMAGE`: what is in an image, by its own bills of materials; `pybuild sbom download IMAGE`: the files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.options import insecure_registry_option
from pybuild.cli.show.display import Display, output_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pybuild.platform.images.sbom import SbomDocument, SbomPackage, Selection

_MOST_LICENCE = 40
_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_remote_option = click.option(
    "--remote", is_flag=True, help="The image in its registry, which sends that layer alone."
)


class _Commands(click.Group):
    """`download`; anything else in first place is the name of an image."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help", "-h"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        formatter.write_usage("pybuild sbom", "IMAGE [OPTIONS]\npybuild sbom download IMAGE [OPTIONS]")


@click.group(
    "sbom",
    cls=_Commands,
    context_settings=_SETTINGS,
    epilog="Examples:  pybuild sbom myapp --type deb   |   pybuild sbom myapp --format spdx > myapp.spdx.json"
    "   |   pybuild sbom download myapp --output-dir sbom",
)
def command() -> None:
    """Show, filter and write the bills of materials that buildpacks put into an image.

    `pybuild sbom IMAGE` is short for `pybuild sbom show IMAGE`.
    """


@command.command("show", context_settings=_SETTINGS)
@click.argument("image")
@click.option("-b", "--buildpack", default="", metavar="ID", help="Only what this buildpack brought.")
@click.option(
    "--type", "kind", default="", metavar="TYPE", help="Only this type: deb, pypi, npm, golang, maven, …"
)
@click.option("--name", default="", metavar="PATTERN", help="Only names like this, with * and ?.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["cyclonedx", "spdx", "syft"]),
    help="Print one document in this format; with --output-dir, write only these.",
)
@click.option(
    "-o", "--output-dir", type=click.Path(path_type=Path), help="Write documents into this folder instead."
)
@click.option("--merge", is_flag=True, help="With --output-dir: one document instead of one for each layer.")
@_remote_option
@insecure_registry_option
@click.option("--json", "as_json", is_flag=True, help="Print the packages as JSON on standard output.")
@output_options
def show(
    image: str,
    *,
    buildpack: str,
    kind: str,
    name: str,
    format_: Any,
    output_dir: Path | None,
    merge: bool,
    remote: bool,
    insecure_registries: tuple[str, ...],
    as_json: bool,
    display: Display,
) -> int:
    """Show what is in IMAGE: each package with its version, type, licence, and the layer that has it.

    IMAGE is NAME in the engine, registry:NAME, oci:FOLDER[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME].
    """
    if merge and output_dir is None:
        raise click.UsageError("--merge is for --output-dir; --format alone prints one document")
    if output_dir is not None and not merge and (kind or name):
        raise click.UsageError("--type and --name need --merge: a document is written as it is, or made anew")
    with display.console() as shown:
        from pybuild.platform.images.sbom import Selection, image_sbom, packages

        selection = Selection(buildpack=buildpack, type=kind, name=name)
        found = image_sbom(image, environ=os.environ, remote=remote, insecure=insecure_registries)
        if output_dir is not None:
            for file in _written(image, found, selection, format_, output_dir, merge=merge):
                shown.line(f"Wrote {file}")
            return 0
        text = _document(image, found, selection, format_) if format_ else ""
        listed = () if format_ else packages(found, selection)
    if format_:
        sys.stdout.write(text)
    elif as_json:
        sys.stdout.write(json.dumps([_as_data(each) for each in listed], indent=2) + "\n")
    else:
        _print(listed)
    return 0


@command.command("download", context_settings=_SETTINGS)
@click.argument("image")
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where the files go, below layers/sbom/launch; default here.",
)
@_remote_option
@insecure_registry_option
@output_options
def download(
    image: str,
    *,
    output_dir: Path,
    remote: bool,
    insecure_registries: tuple[str, ...],
    display: Display,
) -> int:
    """Write the bills of materials of IMAGE into a folder, as they are: `layers/sbom/launch/BUILDPACK/LAYER/sbom.*.json`."""
    with display.console() as shown:
        from pybuild.platform.images.sbom import image_sbom, save

        found = image_sbom(image, environ=os.environ, remote=remote, insecure=insecure_registries)
        for file in save(found, output_dir):
            shown.line(f"Wrote {file}")
    return 0


def _written(
    image: str,
    found: Sequence[SbomDocument],
    selection: Selection,
    format_: Any,
    folder: Path,
    *,
    merge: bool,
) -> Iterable[Path]:
    from dataclasses import replace

    from pybuild.platform.images.sbom import ENDINGS, save

    if not merge:
        return save(
            [each for each in found if selection.has_document(each) and format_ in (None, each.format)],
            folder,
        )
    formats = [format_] if format_ else [each for each in ENDINGS if any(one.format == each for one in found)]
    one = [
        replace(
            found[0], path=f"sbom.{ENDINGS[each]}", content=_document(image, found, selection, each).encode()
        )
        for each in formats
    ]
    return save(one, folder)


def _document(image: str, found: Sequence[SbomDocument], selection: Selection, format_: Any) -> str:
    from pybuild.platform.images.sbom_merge import merged

    return merged(image, found, format_, selection)


def _as_data(package: SbomPackage) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "type": package.type or None,
        "purl": package.purl or None,
        "licences": list(package.licences),
        "owner": package.owner,
    }


def _print(found: Sequence[SbomPackage]) -> None:
    import io
    import textwrap

    from pybuild.cli.show.table import line_width, table

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names in an image are of any alphabet
    rows = [
        (
            each.name,
            each.version,
            each.type or "-",
            textwrap.shorten(", ".join(each.licences), _MOST_LICENCE, placeholder=" …") or "-",
            each.owner,
        )
        for each in found
    ]
    for line in table(rows, header=("NAME", "VERSION", "TYPE", "LICENCE", "LAYER"), width=line_width()):
        print(line)
    total = f"{len(found)} package" + ("" if len(found) == 1 else "s")
    print(f"\n{total}" if found else "No package is like that.")
