"""Options that `pack build` has besides ours, so that its users find what they know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pybuild.cli.making import registry_option


def choice_options(function: Any) -> Any:
    """What is built with, and as whom: shared by `build` and `detect`."""
    for option in (
        click.option(
            "--docker-host",
            metavar="WHERE",
            help="Accepted for scripts written for pack: buildpacks get no engine.",
        ),
        click.option(
            "--lifecycle-image",
            metavar="IMAGE",
            help="Accepted for scripts written for pack: pybuild is the lifecycle.",
        ),
        click.option(
            "--trust-extra-buildpacks",
            is_flag=True,
            help="Buildpacks that the builder does not have may change what an earlier one has made.",
        ),
        click.option(
            "--trust-builder",
            is_flag=True,
            help="Any buildpack may change what an earlier one has made; that is a warning then, no error.",
        ),
        click.option(
            "--userns-host",
            is_flag=True,
            help="Share the machine's user namespace, where the engine has another for containers.",
        ),
        click.option(
            "--gid", type=int, metavar="N", help="Group of the build's user, instead of the builder's."
        ),
        click.option(
            "--uid", type=int, metavar="N", help="The build's user, instead of the builder's; never 0."
        ),
        click.option(
            "--platform",
            metavar="OS/ARCH[/VARIANT]",
            help="Which platform's builder and run image to take, such as linux/arm64.",
        ),
        click.option(
            "--exec-env",
            default="production",
            show_default=True,
            metavar="NAME",
            help="What the image is for, such as test; buildpacks and project.toml go by it.",
        ),
        click.option(
            "--disable-system-buildpacks",
            is_flag=True,
            help="Leave out what the builder adds to every group.",
        ),
        click.option(
            "--extension",
            "extensions",
            multiple=True,
            metavar="WHAT",
            help="Use this image extension instead of the builder's: a folder, an archive, or id[@version] in the builder.",
        ),
        click.option(
            "--post-buildpack",
            "post_buildpacks",
            multiple=True,
            metavar="WHAT",
            help="Add this after each group of the builder; instead of project.toml's `post`.",
        ),
        click.option(
            "--pre-buildpack",
            "pre_buildpacks",
            multiple=True,
            metavar="WHAT",
            help="Add this before each group of the builder; instead of project.toml's `pre`.",
        ),
    ):
        function = option(function)
    return registry_option(function)


previous_image_option = click.option(
    "--previous-image",
    metavar="IMAGE",
    help="Reuse layers of this image, instead of those of IMAGE as it was.",
)
report_option = click.option(
    "--report-output-dir",
    "report_dir",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Folder for report.toml.",
)
sbom_option = click.option(
    "--sbom-output-dir",
    "sbom_dir",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Folder for the SBOMs of the build, in launch/, build/ and cache/.",
)
