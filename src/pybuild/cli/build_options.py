"""Options of a build beside what is built: what it may take of the machine, what is written on the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pybuild.cli.options import insecure_registry_option


def source_choice_options(function: Any) -> Any:
    """Which of the app's files take part, and what the build may see beside them."""
    for option in (
        click.option(
            "--binding",
            "bindings",
            multiple=True,
            metavar="NAME=FOLDER",
            help="Service binding for the build, at /platform/bindings/NAME; never in an image.",
        ),
        click.option(
            "--secret",
            "secrets",
            multiple=True,
            metavar="id=NAME[,src=FILE|,env=VAR]",
            help="Secret for the build, at /run/secrets/NAME; never in an image.",
        ),
        click.option(
            "--use-dockerignore", is_flag=True, help="Leave out what the app's .dockerignore leaves out."
        ),
        click.option(
            "--use-gitignore", is_flag=True, help="Leave out .git and what .gitignore files leave out."
        ),
    ):
        function = option(function)
    return function


def limit_options(function: Any) -> Any:
    """`--memory`, `--cpus`, `--pids-limit`: of the build container."""
    for option in (
        click.option(
            "--pids-limit", type=int, metavar="N", help="Most processes that the build may have at a time."
        ),
        click.option("--cpus", type=float, metavar="N", help="CPUs that the build may use, such as 1.5."),
        click.option("--memory", metavar="SIZE", help="Memory that the build may use, such as 2g."),
    ):
        function = option(function)
    return function


def place_options(function: Any) -> Any:
    """Where the image goes, and where layers are kept for the next build."""
    for option in (
        click.option(
            "--locked",
            is_flag=True,
            help="Take the very versions of the build before, not the newest; an error where that is impossible.",
        ),
        click.option("--clear-cache", is_flag=True, help="Forget what earlier builds kept."),
        click.option(
            "--cache-image",
            metavar="IMAGE",
            help="Keep layers in this image in a registry, for machines that keep nothing.",
        ),
        click.option(
            "--cache",
            "caches",
            multiple=True,
            metavar="FIELDS",
            help="Where layers are kept: 'type=build;format=bind;source=FOLDER', 'format=image;name=IMAGE' or 'format=volume;name=NAME'.",
        ),
        insecure_registry_option,
        click.option(
            "--verify",
            "verify_key",
            type=click.Path(path_type=Path),
            metavar="KEY.pub",
            help="Use only a builder and a run image that this key has signed.",
        ),
        click.option(
            "--sign",
            "sign_key",
            type=click.Path(path_type=Path),
            metavar="KEY",
            help="Sign the published image, and its provenance, with this private key.",
        ),
        click.option(
            "--attest/--no-attest",
            default=True,
            help="Attach its provenance to a published image (the default).",
        ),
        click.option("--publish", is_flag=True, help="Short for `--output type=registry`."),
        click.option(
            "-o",
            "--output",
            "outputs",
            multiple=True,
            metavar="type=TYPE[,dest=WHERE]",
            help="Where the image goes: `docker` (default), `registry`, `oci` (a folder), `oci-archive`, `docker-archive`; repeatable.",
        ),
    ):
        function = option(function)
    return function


def cache_options(function: Any) -> Any:
    """Whether the cache was used, to see and to rely on."""
    for option in (
        click.option(
            "--require-cached",
            is_flag=True,
            help="Exit with 14 when a buildpack's layer did not come from the cache; the image is made all the same.",
        ),
        click.option(
            "--explain-cache", is_flag=True, help="Show of every layer whether it was reused, and why."
        ),
    ):
        function = option(function)
    return function


def image_options(function: Any) -> Any:
    """What the image says of itself, and the files that say which one it is."""
    for option in (
        click.option(
            "--digest-file",
            type=click.Path(path_type=Path),
            help="Write the digest of the image's manifest here; for a registry, a layout or an archive.",
        ),
        click.option(
            "--report",
            "report_page",
            type=click.Path(path_type=Path),
            metavar="FILE.html",
            help="Write what the build came to into this page.",
        ),
        click.option("--iidfile", type=click.Path(path_type=Path), help="Write the image's ID here."),
        click.option(
            "--annotation",
            "annotations",
            multiple=True,
            metavar="NAME=VALUE",
            help="Annotation of the image's manifest; for a registry, a layout or an OCI archive.",
        ),
        click.option(
            "--label", "labels", multiple=True, metavar="NAME=VALUE", help="Label of the image; repeatable."
        ),
        click.option(
            "--creation-time",
            metavar="TIME",
            help="Seconds since 1970, `now`, or `commit` for the time of the checked out commit;"
            " default: the variable SOURCE_DATE_EPOCH, or a constant, 1980.",
        ),
    ):
        function = option(function)
    return function
